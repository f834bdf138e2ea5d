// Command etcd is the etcd server of its module: the repository keeps its own main package in another one.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
