package harness

import (
	"context"
	"fmt"
	"io"

	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/images"
)

// Snapshotter is what images are unpacked with unless a Spec says otherwise.
const Snapshotter = "overlayfs"

// Image returns an image made by package images, which it makes, imports and
// unpacks unless the node has it already.
func (n *Node) Image(ctx context.Context, c images.Config) (containerd.Image, error) {
	return n.ImageOn(ctx, c, Snapshotter)
}

// ImageOn is Image for another snapshotter.
//
// One at a time: containerd refuses to write a blob that somebody writes already.
func (n *Node) ImageOn(ctx context.Context, c images.Config, snapshotter string) (containerd.Image, error) {
	n.importing.Lock()
	defer n.importing.Unlock()
	ctx = n.Context(ctx)
	image, err := n.Client().GetImage(ctx, c.Ref())
	if err != nil {
		if err = n.importImage(ctx, c); err != nil {
			return nil, err
		}
		if image, err = n.Client().GetImage(ctx, c.Ref()); err != nil {
			return nil, err
		}
	}
	unpacked, err := image.IsUnpacked(ctx, snapshotter)
	if err != nil || unpacked {
		return image, err
	}
	if err := image.Unpack(ctx, snapshotter); err != nil {
		return nil, fmt.Errorf("cannot unpack %s: %w", c.Ref(), err)
	}
	return image, nil
}

func (n *Node) importImage(ctx context.Context, c images.Config) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(images.Write(w, c)) }()
	_, err := n.Client().Import(ctx, r)
	r.Close() // ends the writer, should it still write
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", c.Ref(), err)
	}
	return nil
}
