package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// answerWithin is how long a registry may think about a request that it has read: the last one of a large upload has it
// check all of it.
const answerWithin = 5 * time.Minute

var patient = func() http.RoundTripper {
	t := remote.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = answerWithin
	return t
}()

func options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithTransport(patient),
		remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// tagged returns what a tag stands for in the registry; the zero hash if there is no such tag.
func tagged(ctx context.Context, tag name.Tag) (v1.Hash, error) {
	d, err := remote.Head(tag, options(ctx)...)
	if err == nil {
		return d.Digest, nil
	}
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		switch refused.StatusCode {
		case http.StatusNotFound:
			return v1.Hash{}, nil
		case http.StatusUnauthorized, http.StatusForbidden:
			return v1.Hash{}, fmt.Errorf("asking for %s: %w; log in with docker login %s", tag, err, tag.RegistryStr())
		}
	}
	return v1.Hash{}, fmt.Errorf("asking for %s: %w", tag, err)
}

// notPublished refuses a version that is in the registry: one all of whose tags are there. One that was begun goes on.
func notPublished(ctx context.Context, c config) error {
	for _, artefact := range []struct{ name, tag string }{
		{programName, c.version}, {demoName, c.version}, {chartName, strings.TrimPrefix(c.version, "v")},
	} {
		tag, err := name.NewTag(c.repository(artefact.name) + ":" + artefact.tag)
		if err != nil {
			return fmt.Errorf("REGISTRY=%s: %w; write it as in REGISTRY=registry.example.com/team", c.registry, err)
		}
		digest, err := tagged(ctx, tag)
		if err != nil || digest == (v1.Hash{}) {
			return err
		}
	}
	return fmt.Errorf("%s is published already, in %s: a version is never changed, release the next one", c.version,
		c.registry)
}

// publish uploads all that the release holds, by digest, and tags it when all of it is there.
//
// Killed before the first tag: nothing of the version can be found, and the next run uploads what is missing. Killed
// between two tags: the next run finds them right and sets the others. The chart is tagged last, because whoever has it
// needs the image.
func publish(ctx context.Context, c config, r release, out io.Writer) error {
	type item struct {
		opened
		tag name.Tag
	}
	var items []item
	for _, a := range r.Artefacts {
		o, err := openLayout(filepath.Join(c.folder(), a.File))
		if err != nil {
			return err
		}
		defer o.close()
		if o.digest.String() != a.Digest {
			return fmt.Errorf("%s holds %s, not %s", a.File, o.digest, a.Digest)
		}
		tag, err := name.NewTag(a.Repository + ":" + a.Tag)
		if err != nil {
			return err
		}
		items = append(items, item{o, tag})
	}
	// is reports whether a tag is set; one that stands for something else is not ours to change.
	is := func(i item) (bool, error) {
		there, err := tagged(ctx, i.tag)
		if err == nil && there != (v1.Hash{}) && there != i.digest {
			err = fmt.Errorf("%s is %s in the registry, and %s here: it was made by another builder or from another commit; "+
				"delete the tag there if nobody uses it, or release the next version", i.tag, there, i.digest)
		}
		return there != (v1.Hash{}), err
	}
	for _, i := range items {
		if _, err := is(i); err != nil {
			return err
		}
	}
	for _, i := range items {
		if err := remote.Push(i.tag.Context().Digest(i.digest.String()), i.thing, options(ctx)...); err != nil {
			return fmt.Errorf("uploading %s: %w", i.tag.Context(), err)
		}
	}
	for _, i := range items {
		set, err := is(i)
		if err != nil {
			return err
		}
		if !set {
			if err := remote.Tag(i.tag, i.thing, options(ctx)...); err != nil {
				return fmt.Errorf("tagging %s: %w", i.tag, err)
			}
		}
		fmt.Fprintf(out, "%s@%s\n", i.tag, i.digest)
	}
	return nil
}
