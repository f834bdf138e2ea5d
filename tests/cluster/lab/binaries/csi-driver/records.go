package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

type volume struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

type snapshot struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Volume string    `json:"volume"`
	Bytes  int64     `json:"bytes"`
	Cut    time.Time `json:"cut"`
}

// records are what the driver knows, kept in one file so that it survives a restart.
type records struct {
	folder    string
	Volumes   map[string]volume   `json:"volumes"`
	Snapshots map[string]snapshot `json:"snapshots"`
}

func openRecords(folder string) (*records, error) {
	r := &records{folder: folder, Volumes: map[string]volume{}, Snapshots: map[string]snapshot{}}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(r.file())
	if os.IsNotExist(err) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", r.file(), err)
	}
	return r, nil
}

func (r *records) file() string { return filepath.Join(r.folder, "records.json") }

func (r *records) path(volumeID string) string { return filepath.Join(r.folder, volumeID) }

func (r *records) archive(snapshotID string) string {
	return filepath.Join(r.folder, snapshotID+".tar.gz")
}

func (r *records) volumeNamed(name string) (volume, bool) {
	for _, v := range r.Volumes {
		if v.Name == name {
			return v, true
		}
	}
	return volume{}, false
}

func (r *records) snapshotNamed(name string) (snapshot, bool) {
	for _, s := range r.Snapshots {
		if s.Name == name {
			return s, true
		}
	}
	return snapshot{}, false
}

// save replaces the file in one step: a driver killed in the middle keeps the older state.
func (r *records) save() error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	next := r.file() + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, r.file())
}
