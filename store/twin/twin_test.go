package twin_test

import (
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/storetest"
	"github.com/tandem-iot/tandem/store/twin"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(testing.TB) (storetest.Node, storetest.Known) {
		known := storetest.Known{
			Device:      record.Device{ID: "00000000000000ff", Agent: "CCCCCCCCCCCC", Group: "g", Address: "192.0.2.9"},
			Group:       record.Group{ID: "g", Product: "p", Current: "d"},
			Product:     record.Product{ID: "p", Name: "Kettle"},
			Deployment:  record.Deployment{ID: "d", Group: "g", AgentCode: "server.log(1);"},
			Library:     tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"},
			LibraryCode: "class Promise {}",
		}
		db := twin.New(placement.DefaultShards)
		db.PutDevice(record.Device{ID: "00000000000000fe", Agent: "DDDDDDDDDDDD", Group: "other"})
		db.PutDevice(known.Device)
		db.PutGroup(known.Group)
		db.PutProduct(known.Product)
		db.PutDeployment(known.Deployment)
		db.PutLibrary(known.Library, known.LibraryCode)
		return storetest.Simulated{Store: db.Open()}, known
	})
}

func TestClusterSuite(t *testing.T) {
	storetest.RunCluster(t, func(_ testing.TB, count int) (nodes []storetest.Node) {
		db := twin.New(placement.DefaultShards)
		for range count {
			nodes = append(nodes, storetest.Simulated{Store: db.Open()})
		}
		return nodes
	})
}
