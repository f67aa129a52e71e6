package main

import (
	"context"
	"errors"
	"fmt"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tango/test/harness"
)

// borrow gives the node's namespace an image that another namespace has, and unpacks
// it. The content is the same: only what containerd notes about it is new.
func borrow(ctx context.Context, n *harness.Node, name, snapshotter string) (_ containerd.Image, retErr error) {
	from, found, err := findImage(ctx, n, name)
	if err != nil {
		return nil, err
	}
	ctx, release, err := n.Client().WithLease(n.Context(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { retErr = errors.Join(retErr, release(context.WithoutCancel(ctx))) }()
	if err := copyContent(ctx, n.Client().ContentStore(), from, found.Target); err != nil {
		return nil, fmt.Errorf("cannot take the image %s from namespace %s: %w", name, from, err)
	}
	if _, err := n.Client().ImageService().Create(ctx, images.Image{Name: name, Target: found.Target}); err != nil {
		return nil, err
	}
	image, err := n.Client().GetImage(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := image.Unpack(ctx, snapshotter); err != nil {
		return nil, fmt.Errorf("cannot unpack %s: %w", name, err)
	}
	return image, nil
}

// findImage looks for an image in all namespaces of a containerd.
func findImage(ctx context.Context, n *harness.Node, name string) (namespace string, _ images.Image, _ error) {
	all, err := n.Client().NamespaceService().List(ctx)
	if err != nil {
		return "", images.Image{}, err
	}
	for _, namespace := range all {
		found, err := n.Client().ImageService().Get(namespaces.WithNamespace(ctx, namespace), name)
		if err == nil {
			return namespace, found, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", images.Image{}, err
		}
	}
	return "", images.Image{}, fmt.Errorf("cannot find the image %s in containerd's namespaces %v: pull it first; the name must be whole, such as docker.io/library/nginx:latest", name, all)
}

// copyContent copies, of this platform, an image's manifest, configuration and layers.
func copyContent(ctx context.Context, store content.Store, from string, target ocispec.Descriptor) error {
	source := namespaces.WithNamespace(ctx, from)
	one := images.HandlerFunc(func(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		reader, err := store.ReaderAt(source, d)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		return nil, content.WriteBlob(ctx, store, "tango-bench-"+d.Digest.String(), content.NewReader(reader), d)
	})
	children := images.SetChildrenMappedLabels(store, images.FilterPlatforms(images.ChildrenHandler(store), platforms.Default()), nil)
	return images.Walk(ctx, images.Handlers(one, children), target)
}
