"""The kinds of objects that are read or made."""

from rpo_probes._kubernetes import Resource

SNAPSHOT_GROUP = "snapshot.storage.k8s.io"
SNAPSHOTS = Resource(SNAPSHOT_GROUP, "v1", "volumesnapshots", "VolumeSnapshot")
CONTENTS = Resource(SNAPSHOT_GROUP, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
SNAPSHOT_CLASSES = Resource(
    SNAPSHOT_GROUP, "v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False
)
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
