import Cluster
import Plan

/// The saved state of a job, and how long it takes to write and to read it.
public struct CheckpointSize: Sendable, Hashable {
    /// Of the whole job, every part once.
    public let bytes: Double
    private let job: Job

    /// Parameters that train in the format that is computed in, their master copy and the optimizer's own state, as its rule keeps it.
    ///
    /// AdamW in bf16 keeps 14 bytes a parameter: BLOOM's 176 B make 2.46 TB (its chronicle says 2.3).
    public init(_ job: Job) {
        let computed: Double = job.precision.compute == .fp32 || job.precision.compute == .tf32 ? 0 : 2
        bytes = job.trainedParameters * (computed + 4 + job.stateBytesPerParameter)
        self.job = job
    }

    /// What a node writes to or reads from remote storage where the cluster states no bandwidth: BLOOM's 48 nodes wrote 57.5 GB/s.
    public static let usualNodeBandwidth = 1.2e9
    /// What a GPU copies to its host meanwhile other GPUs of the node do: half of PCIe 4.0 x16.
    public static let usualHostBandwidth = 12.5e9

    private var storage: (write: Double, read: Double) {
        let usual = Self.usualNodeBandwidth * Double(job.cluster.nodes)
        return (job.cluster.storageWrite?.bytesPerSecond ?? usual, job.cluster.storageRead?.bytesPerSecond ?? usual)
    }

    /// The node's network port limits what it sends.
    private var nodeBandwidth: Double { job.cluster.interNode?.nodeBandwidth ?? .infinity }

    /// All nodes write their shares at once, or the nodes of one replica write for all.
    public func writeTime(byOneReplica: Bool, share: Double = 1) -> Double {
        let perReplica = max(1, job.cluster.nodes / max(1, job.data))
        let writers = Double(byOneReplica ? perReplica : job.cluster.nodes)
        let limit = byOneReplica && job.cluster.storageWrite == nil ? Self.usualNodeBandwidth * writers : storage.write
        return bytes * share / min(limit, nodeBandwidth * writers)
    }

    /// Every node reads what its GPUs hold; replicas read the same files, which storage serves once and passes on.
    public var loadTime: Double { bytes / min(storage.read, nodeBandwidth * Double(job.cluster.nodes)) }

    /// Copy of a GPU's share of the state to the host, or through the network to a peer's.
    public var snapshotTime: Double { bytes / Double(max(1, job.cluster.gpus)) / Self.usualHostBandwidth }

    public func peerCopyTime(share: Double = 1) -> Double {
        let rate = job.cluster.interNode?.nodeBandwidth ?? Self.usualHostBandwidth
        return bytes * share / Double(max(1, job.cluster.nodes)) / rate
    }
}
