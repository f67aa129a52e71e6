package container

import (
	"fmt"

	"github.com/opencontainers/runc/libcontainer/configs"

	"tango/mounts/mountns"
	"tango/mounts/userns"
)

// canOwn tells whether the mount namespace can be made along with the
// container's user namespace. What is attached there isn't locked against root
// in the container: that must be nothing but a root filesystem of its own.
func (c *Container) canOwn(config *configs.Config, staging *mountns.Staging) bool {
	return config.Namespaces.IsPrivate(configs.NEWUSER) && c.root != nil && !c.root.NeedsLocks() && staging.Empty()
}

// forkOwned makes both namespaces, and has config join them. libcontainer then
// neither copies the mount namespace once more nor maps ids: to it, this is a
// container that joins the user namespace of its pod.
func (c *Container) forkOwned(t *mountns.Template, config *configs.Config, fill func() error) (*place, error) {
	owned, err := t.ForkOwned(idMaps(config.UIDMappings), idMaps(config.GIDMappings), fill)
	if err != nil {
		return nil, fmt.Errorf("cannot make the container's namespaces: %w", err)
	}
	config.Namespaces.Add(configs.NEWNS, owned.Mounts.Path())
	config.Namespaces.Add(configs.NEWUSER, owned.UserPath())
	return &place{held: owned, undo: func() {}}, nil
}

func idMaps(mappings []configs.IDMap) []userns.IDMap {
	maps := make([]userns.IDMap, 0, len(mappings))
	for _, m := range mappings {
		maps = append(maps, userns.IDMap{ContainerID: uint32(m.ContainerID), HostID: uint32(m.HostID), Size: uint32(m.Size)})
	}
	return maps
}
