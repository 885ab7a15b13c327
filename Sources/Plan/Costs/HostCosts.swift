import Cluster

/// Seconds that offloaded state costs for one virtual stage or unit, all GPUs of a node moving and updating theirs at once.
public struct HostTraffic: Sendable, Hashable {
    /// Gradients of one reduction on their way to the host, with what adding them up there takes.
    public var down = 0.0
    /// Parameters on their way to the device for one pass.
    public var fetch = 0.0
    /// The optimizer on the host, with the way of the updated parameters back, which it overlaps.
    public var step = 0.0
}

/// Offloading after ZeRO-Offload (arXiv:2101.06840) and ZeRO-Infinity (arXiv:2104.07857): 16-bit gradients leave while the backward pass runs,
/// the host updates masters and moments where they live, and updated parameters come back tile by tile beside the update.
struct HostCosts {
    /// Bytes a second and direction of one GPU's copies while its neighbours behind the same switch copy too.
    private let link: Double
    /// Bytes a second of one GPU's part of the host's memory and drives.
    private let memory: Double
    private let read: Double
    private let write: Double
    private let job: Job
    private let leaves: Bool
    private let model: CostModel

    /// Pinned copies over PCIe 4 x16 reach about 25 of 31.5 GB/s (recalled; bandwidthTest of the CUDA samples).
    static let linkShare = 0.8
    /// CPU-Adam updates 10 G parameters in 2.57 s on two sockets of six channels DDR4-2666 (arXiv:2101.06840 table 4, recalled): with 28 bytes
    /// each 109 of 256 GB/s.
    private static let updateShare = 0.43
    /// Gradient read; master and two moments read and written; 16-bit parameter written.
    private static let updateBytes = 4.0 + 12 + 12

    /// Nil where nothing is offloaded or the cluster names no host.
    init?(_ job: Job, _ model: CostModel) {
        self.job = job
        self.model = model
        guard job.layout.offloadsState, let host = job.cluster.host else { return nil }
        let gpus = max(1, min(job.cluster.gpusPerNode, job.cluster.gpus))
        link = host.linkRate(gpus: gpus) * Self.linkShare
        memory = host.memoryBandwidth.bytesPerSecond * Self.updateShare / Double(gpus)
        read = host.nvmeRead.bytesPerSecond / Double(gpus)
        write = host.nvmeWrite.bytesPerSecond / Double(gpus)
        leaves = job.addsGradientsOnHost
    }

    func traffic(_ parameters: StageWork.LocalParameters) -> HostTraffic {
        var traffic = HostTraffic()
        let isSharded = job.layout.zero >= 1
        func share(_ parameters: StageWork.LocalParameters) -> Double {
            guard isSharded else { return parameters.total }
            return parameters.dense / Double(max(1, model.groups.dataContext.ranks))
                + parameters.expert / Double(max(1, model.groups.expertData.ranks))
        }
        // Gradients and the update are of what trains; fetched is everything.
        let own = share(parameters.trained) * job.layout.offloadShare
        let width = job.sharding.activationBytes
        // Read, added to the fp32 sum, written: 2 + 4 + 4 bytes, where every micro-batch sends its own.
        let adding = leaves && job.microBatches > 1 ? 10 * own / memory : 0
        traffic.down = max(own * width / link, adding)
        traffic.step = max(own * Self.updateBytes / memory, job.layout.offload == .optimizer ? own * width / link : 0)
        let onDrives = job.layout.offloadTarget == .nvme
        if onDrives { traffic.step = max(traffic.step, own * (12 / read + 12 / write)) }
        if job.layout.offload == .parameters {
            let part = job.layout.zero >= 3 ? share(parameters) : parameters.total
            traffic.fetch = part * width * parameters.gatherFactor / (onDrives ? min(link, read) : link)
        }
        return traffic
    }
}

/// Activations that leave for the host behind a layer's forward pass and come back ahead of its backward pass, both beside the compute of other layers
/// (Transformer Engine's `cpu_offload`; Rhu et al., arXiv:1602.08124): what the copies take longer than the compute is waited for.
struct ActivationOffload {
    private let seconds: [Bool: Double]
    private let layers: Int

    /// Nil where activations stay.
    init?(_ job: Job) {
        guard job.layout.offload == .activations, let host = job.cluster.host else { return nil }
        let rate = host.linkRate(gpus: max(1, min(job.cluster.gpusPerNode, job.cluster.gpus))) * HostCosts.linkShare
        let repeatsHalf = MemoryTraits(job).stack.repeatsHalf
        seconds = Dictionary(
            uniqueKeysWithValues: [false, true].map { isExpert in
                (
                    isExpert,
                    LayerActivations(job: job, isExpert: isExpert).kept(job.training.recompute, repeatsHalf: repeatsHalf).stored / rate
                )
            })
        layers = job.layout.offloadLayers ?? .max
    }

    /// Seconds of one way for a micro-batch's activations of a row of units.
    func seconds(_ units: [StageWork.Unit]) -> Double {
        var (left, sum) = (layers, 0.0)
        for case .layer(let variant) in units where left > 0 {
            left -= 1
            sum += seconds[variant.kind == .moe] ?? 0
        }
        return sum
    }

    /// Adds to the passes of some units what a copy of `seconds` leaves uncovered.
    func add(_ seconds: Double, to passes: inout StageCosts.Passes) {
        let (ahead, behind) = (passes.forward.total, passes.backward.total + passes.weight.total)
        passes.forward.seconds[.offloadComm] += max(0, seconds - ahead)
        passes.forward.overlapped += min(seconds, ahead)
        passes.backward.seconds[.offloadComm] += max(0, seconds - behind)
        passes.backward.overlapped += min(seconds, behind)
    }
}
