package fleet

import (
	"maps"
	"testing"
)

func TestDescribe(t *testing.T) {
	type labels = map[string]string
	type want struct{ provider, instance, capacity, zone, region, pool, arch, os string }
	base := labels{"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": "n"}
	aws := labels{
		"node.kubernetes.io/instance-type": "m6i.xlarge",
		"topology.kubernetes.io/zone":      "eu-west-1b",
		"topology.kubernetes.io/region":    "eu-west-1",
	}
	join := func(ls ...labels) labels {
		out := maps.Clone(base)
		for _, l := range ls {
			maps.Copy(out, l)
		}
		return out
	}
	tests := []struct {
		name   string
		id     string
		labels labels
		want   want
	}{
		{"nothing", "", nil, want{}},
		{"bare metal", "", base, want{arch: "amd64", os: "linux"}},
		{"Karpenter on EKS, spot", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"karpenter.sh/capacity-type": "spot", "karpenter.sh/nodepool": "general", "karpenter.k8s.aws/instance-family": "m6i",
		}), want{"aws", "m6i.xlarge", "spot", "eu-west-1b", "eu-west-1", "general", "amd64", "linux"}},
		{"Karpenter on EKS, reserved", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"karpenter.sh/capacity-type": "reserved", "karpenter.sh/nodepool": "gpu",
		}), want{"aws", "m6i.xlarge", "reserved", "eu-west-1b", "eu-west-1", "gpu", "amd64", "linux"}},
		{"Karpenter v1alpha5", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"karpenter.sh/capacity-type": "on-demand", "karpenter.sh/provisioner-name": "default",
		}), want{"aws", "m6i.xlarge", "on-demand", "eu-west-1b", "eu-west-1", "default", "amd64", "linux"}},
		{"EKS managed node group, spot", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"eks.amazonaws.com/capacityType": "SPOT", "eks.amazonaws.com/nodegroup": "workers",
		}), want{"aws", "m6i.xlarge", "spot", "eu-west-1b", "eu-west-1", "workers", "amd64", "linux"}},
		{"EKS managed node group, on demand", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"eks.amazonaws.com/capacityType": "ON_DEMAND", "eks.amazonaws.com/nodegroup": "workers",
			"alpha.eksctl.io/nodegroup-name": "workers-eksctl",
		}), want{"aws", "m6i.xlarge", "on-demand", "eu-west-1b", "eu-west-1", "workers", "amd64", "linux"}},
		{"EKS capacity block", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK", "eks.amazonaws.com/nodegroup": "train",
		}), want{"aws", "m6i.xlarge", "reserved", "eu-west-1b", "eu-west-1", "train", "amd64", "linux"}},
		{"EKS without a capacity label stays unknown", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"eks.amazonaws.com/nodegroup": "workers",
		}), want{"aws", "m6i.xlarge", "", "eu-west-1b", "eu-west-1", "workers", "amd64", "linux"}},
		{"eksctl, self-managed spot", "aws:///eu-west-1b/i-0abc", join(aws, labels{
			"alpha.eksctl.io/nodegroup-name": "ng-1", "node-lifecycle": "spot",
		}), want{"aws", "m6i.xlarge", "spot", "eu-west-1b", "eu-west-1", "ng-1", "amd64", "linux"}},
		{"kOps with a lifecycle label", "aws:///us-east-1a/i-0abc", labels{
			"beta.kubernetes.io/instance-type": "c5.large", "failure-domain.beta.kubernetes.io/zone": "us-east-1a",
			"failure-domain.beta.kubernetes.io/region": "us-east-1", "beta.kubernetes.io/arch": "amd64",
			"beta.kubernetes.io/os":     "linux",
			"kops.k8s.io/instancegroup": "nodes-us-east-1a", "node.kubernetes.io/lifecycle": "normal",
		}, want{"aws", "c5.large", "on-demand", "us-east-1a", "us-east-1", "nodes-us-east-1a", "amd64", "linux"}},
		{"Ec2Spot", "aws:///us-east-1a/i-0abc", labels{"lifecycle": "Ec2Spot"}, want{provider: "aws", capacity: "spot", zone: "us-east-1a", region: "us-east-1"}},
		{"a foreign lifecycle says nothing", "aws:///us-east-1a/i-0abc", labels{"lifecycle": "canary"},
			want{provider: "aws", zone: "us-east-1a", region: "us-east-1"}},
		{"spot.io", "aws:///us-east-1a/i-0abc", labels{"spotinst.io/node-lifecycle": "od"},
			want{provider: "aws", capacity: "on-demand", zone: "us-east-1a", region: "us-east-1"}},
		{"only the EBS driver's zone", "", labels{"topology.ebs.csi.aws.com/zone": "ap-southeast-2c"},
			want{provider: "aws", zone: "ap-southeast-2c", region: "ap-southeast-2"}},
		{"GovCloud's region from the zone", "", labels{"topology.ebs.csi.aws.com/zone": "us-gov-west-1a"},
			want{provider: "aws", zone: "us-gov-west-1a", region: "us-gov-west-1"}},
		{"a local zone's region", "", labels{"topology.ebs.csi.aws.com/zone": "us-west-2-lax-1a"},
			want{provider: "aws", zone: "us-west-2-lax-1a", region: "us-west-2"}},
		{"GKE spot", "gce://project/europe-west1-b/gke-1", join(labels{
			"node.kubernetes.io/instance-type": "e2-standard-4", "topology.kubernetes.io/zone": "europe-west1-b",
			"topology.kubernetes.io/region": "europe-west1", "topology.gke.io/zone": "europe-west1-b",
			"cloud.google.com/gke-nodepool": "pool-1", "cloud.google.com/gke-spot": "true",
			"cloud.google.com/gke-provisioning": "spot",
		}), want{"gcp", "e2-standard-4", "spot", "europe-west1-b", "europe-west1", "pool-1", "amd64", "linux"}},
		{"GKE preemptible", "gce://project/europe-west1-b/gke-1", labels{
			"cloud.google.com/gke-nodepool": "pool-1", "cloud.google.com/gke-preemptible": "true",
		}, want{provider: "gcp", capacity: "spot", zone: "europe-west1-b", region: "europe-west1", pool: "pool-1"}},
		{"GKE standard", "gce://project/europe-west1-b/gke-1", labels{
			"cloud.google.com/gke-nodepool": "pool-1", "cloud.google.com/gke-provisioning": "standard",
		}, want{provider: "gcp", capacity: "on-demand", zone: "europe-west1-b", region: "europe-west1", pool: "pool-1"}},
		{"GKE labels every spot node", "gce://project/europe-west1-b/gke-1", labels{
			"cloud.google.com/gke-nodepool": "pool-1", "topology.gke.io/zone": "europe-west1-b",
		}, want{provider: "gcp", capacity: "on-demand", zone: "europe-west1-b", region: "europe-west1", pool: "pool-1"}},
		{"AKS spot", "azure:///subscriptions/s/resourceGroups/g/x", join(labels{
			"node.kubernetes.io/instance-type": "Standard_D4s_v5", "topology.kubernetes.io/zone": "westeurope-1",
			"topology.kubernetes.io/region": "westeurope", "kubernetes.azure.com/agentpool": "spotpool", "agentpool": "spotpool",
			"kubernetes.azure.com/scalesetpriority": "spot",
		}), want{"azure", "Standard_D4s_v5", "spot", "westeurope-1", "westeurope", "spotpool", "amd64", "linux"}},
		{"AKS labels every spot node", "azure:///subscriptions/s", labels{
			"kubernetes.azure.com/agentpool": "system", "topology.kubernetes.io/zone": "westeurope-2",
		}, want{provider: "azure", capacity: "on-demand", zone: "westeurope-2", region: "westeurope", pool: "system"}},
		{"AKS regular", "azure:///subscriptions/s",
			labels{"kubernetes.azure.com/scalesetpriority": "regular", "agentpool": "p"},
			want{provider: "azure", capacity: "on-demand", pool: "p"}},
		{"AKS without zones", "azure:///subscriptions/s", labels{"topology.kubernetes.io/zone": "0"},
			want{provider: "azure"}},
		{"Cast AI spot", "aws:///us-east-1a/i-0abc",
			labels{"scheduling.cast.ai/spot": "true", "scheduling.cast.ai/node-template": "tmpl"},
			want{provider: "aws", capacity: "spot", zone: "us-east-1a", region: "us-east-1", pool: "tmpl"}},
		{"Cast AI on-demand in place of spot", "aws:///us-east-1a/i-0abc", labels{
			"scheduling.cast.ai/spot": "true", "scheduling.cast.ai/spot-fallback": "true"},
			want{provider: "aws", capacity: "on-demand", zone: "us-east-1a", region: "us-east-1"}},
		{"Cluster API", "openstack:///abc", labels{"cluster.x-k8s.io/interruptible": ""},
			want{provider: "openstack", capacity: "spot"}},
		{"OpenShift", "aws:///us-east-1a/i-0abc", labels{
			"machine.openshift.io/interruptible-instance": "", "hypershift.openshift.io/nodePool": "np"},
			want{provider: "aws", capacity: "spot", zone: "us-east-1a", region: "us-east-1", pool: "np"}},
		{"OKE", "ocid1.instance.oc1", labels{"oci.oraclecloud.com/oke-is-preemptible": "true"},
			want{provider: "oracle", capacity: "spot"}},
		{"Yandex, not preemptible", "yandex://abc", labels{"yandex.cloud/preemptible": "false"},
			want{provider: "yandex", capacity: "on-demand"}},
		{"DigitalOcean", "digitalocean://1",
			labels{"doks.digitalocean.com/node-pool": "pool-x", "node.kubernetes.io/instance-type": "s-2vcpu-4gb"},
			want{provider: "digitalocean", instance: "s-2vcpu-4gb", pool: "pool-x"}},
		{"Linode", "linode://1", labels{"lke.linode.com/pool-id": "307295"}, want{provider: "linode", pool: "307295"}},
		{"Scaleway", "scaleway://instance/fr-par-1/x", labels{"k8s.scaleway.com/pool-name": "burst"},
			want{provider: "scaleway", pool: "burst"}},
		{"Vultr", "vultr://x", labels{"vke.vultr.com/node-pool": "workers"}, want{provider: "vultr", pool: "workers"}},
		{"Hetzner", "hcloud://1", labels{"hcloud/node-group": "workers"}, want{provider: "hetzner", pool: "workers"}},
		{"Gardener", "openstack:///x", labels{"worker.gardener.cloud/pool": "worker-1"},
			want{provider: "openstack", pool: "worker-1"}},
		{"Alibaba", "cn-hangzhou.i-1", labels{"alibabacloud.com/nodepool-id": "np1"}, want{provider: "alibaba", pool: "np1"}},
		{"IBM", "ibm://x",
			labels{"ibm-cloud.kubernetes.io/worker-pool-name": "default", "ibm-cloud.kubernetes.io/machine-type": "b3c.4x16"},
			want{provider: "ibm", instance: "b3c.4x16", pool: "default"}},
		{"Karpenter on KWOK", "kwok://n", labels{"karpenter.sh/capacity-type": "spot", "karpenter.sh/nodepool": "default"},
			want{provider: "kwok", capacity: "spot", pool: "default"}},
		{"an unknown provider keeps its own name", "acme://n", nil, want{provider: "acme"}},
		{"current keys win over legacy ones", "", labels{
			"node.kubernetes.io/instance-type": "new", "beta.kubernetes.io/instance-type": "old",
			"topology.kubernetes.io/zone": "z-new", "failure-domain.beta.kubernetes.io/zone": "z-old",
			"topology.kubernetes.io/region": "r-new", "failure-domain.beta.kubernetes.io/region": "r-old",
			"kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "amd64",
		}, want{instance: "new", zone: "z-new", region: "r-new", arch: "arm64"}},
		{"empty values say nothing", "",
			labels{"topology.kubernetes.io/zone": "", "failure-domain.beta.kubernetes.io/zone": "z"}, want{zone: "z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := Node{Detail: Detail{ProviderID: tt.id}, Labels: tt.labels}
			Describe(&n)
			got := want{n.Provider, n.InstanceType, n.CapacityType, n.Zone, n.Region, n.Pool, n.Arch, n.OS}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
	n := Node{Arch: "arm64", OS: "windows", Labels: base}
	if Describe(&n); n.Arch != "arm64" || n.OS != "windows" {
		t.Errorf("labels replaced what the node itself reports: %s/%s", n.OS, n.Arch)
	}
}
