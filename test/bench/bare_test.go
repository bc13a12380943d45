package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/slack-go/slack"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// What the bare program does with a node that it sees.
const (
	bareWatch = "watch" // nothing
	bareDrop  = "drop"  // posts it at once; a message that Slack refuses is lost
	bareWait  = "wait"  // posts it at once, and after a 429 again when Slack says
)

// bare is the bare program: it watches nodes and posts each that is added.
func bare(ctx context.Context, mode string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	api := slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	w, err := client.CoreV1().Nodes().Watch(ctx,
		metav1.ListOptions{ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	fmt.Println("watching")
	for e := range w.ResultChan() {
		node, ok := e.Object.(*corev1.Node)
		if !ok || e.Type != "ADDED" || mode == bareWatch {
			continue
		}
		for {
			_, _, err := api.PostMessage(os.Getenv("SLACK_CHANNEL"), slack.MsgOptionText(node.Name+" joined", false))
			limited, ok := errors.AsType[*slack.RateLimitedError](err)
			if !ok && err != nil {
				return err
			}
			if !ok || mode == bareDrop {
				break
			}
			time.Sleep(limited.RetryAfter)
		}
	}
	return nil
}
