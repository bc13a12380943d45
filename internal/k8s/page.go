package k8s

import (
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// An API server bounds a page by objects alone, so what a page takes is for its reader to bound. The size of a page,
// in objects, follows that in bytes: a page of more than maxPage is given up half-read and asked for again with half
// the objects, down to one; one of less than a quarter of it is followed by one of twice the objects, up to what the
// listing asks for. Each list begins with that.
const (
	// maxPage is how large a page of more than one object may be, in bytes as sent. It is Rollcall's own choice: a usual
	// page has 0.3 MB (250 events) or 1.4 MB (100 nodes), and while two lists are read, each page in memory twice or
	// three times, a pod of 256 MB must do.
	maxPage = 4 << 20
	// maxObject is how large a page of one object may be, in bytes as sent. Source: client-go bounds the frame of a
	// watch, which is one object, by the same number; etcd takes no request of more than 1.5 MiB unless told otherwise.
	maxObject = 16 << 20
)

// errTooLarge is a page of more bytes than are read.
var errTooLarge = errors.New("the answer is too large")

// nextSize returns how many objects to ask for after a page of so many objects and bytes, of which most is what the
// listing asks for.
func nextSize(size, bytes, most int) int {
	if bytes < maxPage/4 {
		return min(2*size, most)
	}
	return size
}

// fetch sends a request for a page of so many objects, decodes the answer into p, and returns its size in bytes as
// sent. It reads no further than the page may be large.
func fetch(ctx context.Context, req *rest.Request, size int, p runtime.Object) (bytes int, err error) {
	body, err := req.Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	most := maxPage
	if size == 1 {
		most = maxObject
	}
	data, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading the answer: %w", err)
	case len(data) == 0:
		return 0, errors.New("the answer is empty")
	case len(data) > most && size == 1:
		return 0, fmt.Errorf("%w: one object has more than %d MiB", errTooLarge, most>>20)
	case len(data) > most:
		return 0, errTooLarge
	}
	got, _, err := codecs.UniversalDeserializer().Decode(data, nil, p)
	if status, ok := got.(*metav1.Status); ok && err == nil {
		err = apierrors.FromObject(status)
	} else if err == nil && got != p {
		err = fmt.Errorf("the answer is a %T, not the list that was asked for", got)
	}
	return len(data), err
}
