package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type controller struct {
	csi.UnimplementedControllerServer
	lock    sync.Mutex
	records *records
}

func (c *controller) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, what := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: what}
		answer.Capabilities = append(answer.Capabilities,
			&csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return answer, nil
}

func (c *controller) CreateVolume(
	ctx context.Context, request *csi.CreateVolumeRequest,
) (*csi.CreateVolumeResponse, error) {
	if request.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "a volume needs a name")
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	bytes := request.GetCapacityRange().GetRequiredBytes()
	made, known := c.records.volumeNamed(request.GetName())
	if known && made.Bytes < bytes {
		return nil, status.Errorf(codes.AlreadyExists, "volume %s has %d bytes", made.Name, made.Bytes)
	}
	if !known {
		made = volume{ID: newID(), Name: request.GetName(), Bytes: bytes}
		if err := c.fill(ctx, made, request.GetVolumeContentSource()); err != nil {
			os.RemoveAll(c.records.path(made.ID))
			return nil, err
		}
		c.records.Volumes[made.ID] = made
		if err := c.records.save(); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: made.ID, CapacityBytes: made.Bytes, ContentSource: request.GetVolumeContentSource(),
	}}, nil
}

// fill makes the folder of a volume, with the data of its source if it has one.
func (c *controller) fill(ctx context.Context, v volume, source *csi.VolumeContentSource) error {
	target := c.records.path(v.ID)
	if err := os.Mkdir(target, 0o777); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if from := source.GetSnapshot(); from != nil {
		cut, known := c.records.Snapshots[from.GetSnapshotId()]
		if !known {
			return status.Errorf(codes.NotFound, "no snapshot %s", from.GetSnapshotId())
		}
		if cut.Bytes > v.Bytes {
			return status.Errorf(codes.OutOfRange, "snapshot %s needs %d bytes", cut.ID, cut.Bytes)
		}
		return run(ctx, "tar", "-xzf", c.records.archive(cut.ID), "-C", target)
	}
	if from := source.GetVolume(); from != nil {
		if _, known := c.records.Volumes[from.GetVolumeId()]; !known {
			return status.Errorf(codes.NotFound, "no volume %s", from.GetVolumeId())
		}
		return run(ctx, "cp", "-a", c.records.path(from.GetVolumeId())+"/.", target)
	}
	return nil
}

func (c *controller) DeleteVolume(
	_ context.Context, request *csi.DeleteVolumeRequest,
) (*csi.DeleteVolumeResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if _, known := c.records.Volumes[request.GetVolumeId()]; known {
		delete(c.records.Volumes, request.GetVolumeId())
		if err := c.forget(c.records.path(request.GetVolumeId())); err != nil {
			return nil, err
		}
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (c *controller) CreateSnapshot(
	ctx context.Context, request *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "a snapshot needs a name")
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	made, known := c.records.snapshotNamed(request.GetName())
	if known && made.Volume != request.GetSourceVolumeId() {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %s is of volume %s", made.Name, made.Volume)
	}
	if !known {
		source, exists := c.records.Volumes[request.GetSourceVolumeId()]
		if !exists {
			return nil, status.Errorf(codes.NotFound, "no volume %s", request.GetSourceVolumeId())
		}
		made = snapshot{ID: newID(), Name: request.GetName(), Volume: source.ID, Bytes: source.Bytes, Cut: time.Now()}
		archive := c.records.archive(made.ID)
		if err := run(ctx, "tar", "-czf", archive, "-C", c.records.path(source.ID), "."); err != nil {
			os.Remove(archive)
			return nil, err
		}
		c.records.Snapshots[made.ID] = made
		if err := c.records.save(); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	return &csi.CreateSnapshotResponse{Snapshot: described(made)}, nil
}

func (c *controller) DeleteSnapshot(
	_ context.Context, request *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if _, known := c.records.Snapshots[request.GetSnapshotId()]; known {
		delete(c.records.Snapshots, request.GetSnapshotId())
		if err := c.forget(c.records.archive(request.GetSnapshotId())); err != nil {
			return nil, err
		}
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

// ListSnapshots serves the question that sidecars ask: for one snapshot, or all of one volume, or all.
func (c *controller) ListSnapshots(
	_ context.Context, request *csi.ListSnapshotsRequest,
) (*csi.ListSnapshotsResponse, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	answer := &csi.ListSnapshotsResponse{}
	for _, s := range c.records.Snapshots {
		wanted := request.GetSnapshotId() == "" || request.GetSnapshotId() == s.ID
		if wanted && (request.GetSourceVolumeId() == "" || request.GetSourceVolumeId() == s.Volume) {
			answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: described(s)})
		}
	}
	return answer, nil
}

// forget removes data whose record is gone already: killed between the two, the driver leaves waste, never a lie.
func (c *controller) forget(path string) error {
	if err := c.records.save(); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if err := os.RemoveAll(path); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func described(s snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: s.ID, SourceVolumeId: s.Volume, SizeBytes: s.Bytes,
		CreationTime: timestamppb.New(s.Cut), ReadyToUse: true,
	}
}

// run ends the program when the caller gives up, so that no copy outlives its call.
func run(ctx context.Context, program string, arguments ...string) error {
	output, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
	if err != nil {
		return status.Errorf(codes.Internal, "%s: %v: %s", program, err, output)
	}
	return nil
}

func newID() string {
	var bits [16]byte
	rand.Read(bits[:]) // never fails since Go 1.24
	return fmt.Sprintf("%x-%x-%x-%x-%x", bits[:4], bits[4:6], bits[6:8], bits[8:10], bits[10:])
}
