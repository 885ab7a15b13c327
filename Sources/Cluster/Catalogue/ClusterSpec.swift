import Quantities

/// What a cable or a bus is made of; it picks constants where a profile knows them.
public enum Fabric: String, Sendable, Hashable, Codable, CaseIterable {
    case nvlink, xgmi, pcie, infiniband, roce, omnipath, ethernet, unknown
}

/// A kind of connection. `bandwidth` is per direction: of one GPU inside a node, of one port between nodes.
public struct Link: Sendable, Hashable {
    public var name: String
    /// Technology, rate per direction, time that a message of no bytes takes, and where the numbers are from.
    public var fabric: Fabric
    public var bandwidth: Bandwidth
    public var latency: Duration
    public var source: String
    public init(name: String, fabric: Fabric, bandwidth: Bandwidth, latency: Duration, source: String) {
        self.name = name
        self.fabric = fabric
        self.bandwidth = bandwidth
        self.latency = latency
        self.source = source
    }
}

/// The network that joins the nodes.
public struct InterNode: Sendable, Hashable {
    /// One port, and ports of a node.
    public var link: Link
    public var nicsPerNode: Int
    /// Kind of network by name; fair sharing on it is `network: flow`.
    public var topology: String
    /// The rest of the topology.
    public var form = NetworkForm()
    public init(link: Link, nicsPerNode: Int, topology: String = "fat_tree") {
        self.link = link
        self.nicsPerNode = nicsPerNode
        self.topology = topology
    }
    /// Bytes a second, per direction, that a whole node can send.
    public var nodeBandwidth: Double { link.bandwidth.bytesPerSecond * Double(nicsPerNode) }
}

/// The machines of a job: identical GPUs in identical nodes.
public struct ClusterSpec: Sendable, Hashable {
    public var name: String
    /// Kind of GPU, GPUs in all, and GPUs of a node.
    public var accelerator: Accelerator
    public var gpus: Int
    public var gpusPerNode: Int
    /// GPUs that share one fast switch: the node, or the rack of an NVL72.
    public var domain: Int
    public var intraNode: Link
    /// Absent for a single node.
    public var interNode: InterNode?
    /// Watts of a node beside its GPUs (CPUs, memory, NICs, fans), where known.
    public var hostPower: Power?
    /// Bytes a second that checkpoints are written with, over the whole job.
    public var storageWrite: Bandwidth?
    public var storageRead: Bandwidth?
    /// Which rank of a job goes on which GPU.
    public var placement = PlacementRule.packed
    /// Memory, PCIe and drives of a node, where known; offloading needs them.
    public var host: HostSpec?
    /// Parts of the cluster with GPUs of their own, in the order in which ranks fill them; empty: all GPUs are `accelerator`s.
    public var pools: [GPUPool] = []

    public init(
        name: String, accelerator: Accelerator, gpus: Int, gpusPerNode: Int, domain: Int? = nil, intraNode: Link, interNode: InterNode?,
        hostPower: Power? = nil, storageWrite: Bandwidth? = nil, storageRead: Bandwidth? = nil
    ) {
        self.name = name
        self.accelerator = accelerator
        self.gpus = gpus
        self.gpusPerNode = gpusPerNode
        self.domain = domain ?? gpusPerNode
        self.intraNode = intraNode
        self.interNode = interNode
        self.hostPower = hostPower
        self.storageWrite = storageWrite
        self.storageRead = storageRead
    }
    public var nodes: Int { (gpus + gpusPerNode - 1) / max(1, gpusPerNode) }
}

/// GPUs of one kind within a cluster of several.
public struct GPUPool: Sendable, Hashable {
    /// Its device, and how many there are.
    public var accelerator: Accelerator
    public var gpus: Int
    /// What joins the GPUs of a node of this pool.
    public var intraNode: Link
    public var host: HostSpec?
    public init(accelerator: Accelerator, gpus: Int, intraNode: Link, host: HostSpec? = nil) {
        self.accelerator = accelerator
        self.gpus = gpus
        self.intraNode = intraNode
        self.host = host
    }
}

extension ClusterSpec {
    /// The cluster as a GPU of `pool` sees it: its own device and node, the others' network.
    public func seen(from pool: GPUPool) -> ClusterSpec {
        var own = self
        own.accelerator = pool.accelerator
        own.intraNode = pool.intraNode
        own.host = pool.host
        return own
    }

    /// FLOP/s of all GPUs together.
    public func totalPeak(_ precision: Precision) -> Double {
        pools.isEmpty
            ? accelerator.peak(precision) * Double(gpus) : pools.reduce(0) { $0 + $1.accelerator.peak(precision) * Double($1.gpus) }
    }
}
