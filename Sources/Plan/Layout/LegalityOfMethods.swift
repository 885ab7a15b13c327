import Calibration
import Cluster
import Quantities
import Workload

/// Rules of single methods: folded schedules, grids, context exchange, offloading, pools.
extension Legality {
    /// Two chunks a rank (arXiv:2405.15362), and micro-batches enough for DualPipe to fill both directions (arXiv:2412.19437).
    mutating func folded(_ kind: ScheduleKind) {
        guard layout.pipeline > 1 else { return }
        let (ranks, name) = (layout.pipeline, kind.rawValue)
        if layout.virtual != 1, layout.virtual != 2 {
            add("layout.virtual", "\(name) has two model chunks a rank, not \(layout.virtual)", "write virtual: 2 or leave it out")
        }
        guard kind == .dualpipe || kind == .dualpipeV, problems.isEmpty else { return }
        if kind == .dualpipe, ranks % 2 != 0 {
            add(
                "layout.pipeline", "dualpipe needs an even number of ranks, not \(ranks)",
                "write \(ranks - 1) or \(ranks + 1), or schedule: dualpipev")
        }
        let micro = job.microBatches
        if micro < 2 * ranks || kind == .dualpipe && micro % 2 != 0 {
            let least = job.data * job.training.microBatch * 2 * ranks
            let even = kind == .dualpipe ? "an even number, " : ""
            add(
                "training.global_batch", "\(name) on \(ranks) ranks needs \(even)at least \(2 * ranks) micro-batches, not \(micro)",
                "choose a global batch of at least \(least), or another schedule")
        }
    }

    mutating func grid() {
        if layout.tensorDepth > 1, layout.tensorAlgorithm != .twoAndHalfD {
            add(
                "layout.tensor_depth", "\(layout.tensorAlgorithm.rawValue) has no depth",
                "write tensor_algorithm: 2.5d, or remove tensor_depth")
            return
        }
        guard layout.tensorAlgorithm != .oneD else { return }
        let name = layout.tensorAlgorithm.rawValue
        let edge = layout.tensorGrid
        guard edge > 0 else {
            let near = nearestGrid
            add(
                "layout.tensor",
                "\(layout.tensor) GPUs are not \(layout.tensorDepth > 1 ? "\(layout.tensorDepth) square grids" : "a square grid")",
                "write \(near)")
            return
        }
        let model = job.model
        if case .mla = model.attention { add("layout.tensor_algorithm", "\(name) is not known for latent attention", "write 1d") }
        if model.moe != nil { add("layout.tensor_algorithm", "\(name) is not known for experts", "write 1d") }
        if layout.sequenceParallel {
            add("layout.sequence_parallel", "a grid parts tokens as it is", "write sequence_parallel: false, or tensor_algorithm: 1d")
        }
        if layout.context > 1 { add("layout.context", "\(name) parts the batch, not the sequence", "write context: 1") }
        for (what, size) in [
            ("hidden width", model.hidden), ("heads", model.heads), ("key heads", model.kvHeads), ("MLP width", model.ffn),
        ]
        where size % edge != 0 {
            add("layout.tensor", "a grid of edge \(edge) does not divide the \(what) \(size)", "choose an edge that divides \(size)")
        }
        let rows = edge * layout.tensorDepth
        if job.training.microBatch % rows != 0 {
            add(
                "training.micro_batch", "\(rows) rows of the grid cannot share \(job.training.microBatch) sequences evenly",
                "write a multiple of \(rows)")
        }
    }

    /// Sizes of the tensor group near the asked one that make grids.
    private var nearestGrid: String {
        let depth = max(1, layout.tensorDepth)
        var edge = 1
        while (edge + 1) * (edge + 1) * depth <= layout.tensor { edge += 1 }
        return "\(edge * edge * depth) or \((edge + 1) * (edge + 1) * depth)"
    }

    mutating func exchange() {
        guard layout.contextExchange == .allToAll, layout.context > 1 else { return }
        let parts = layout.tensor * layout.context
        if job.model.heads % parts != 0 {
            add(
                "layout.context",
                "tensor \(layout.tensor) x context \(layout.context) do not divide \(job.model.heads) heads, which all-to-all deals",
                "choose degrees whose product divides \(job.model.heads), or context_exchange: ring")
        }
        if layout.contextOrder == .contiguous {
            add("layout.context_order", "all-to-all gives every rank the whole sequence, so its order changes nothing", "remove the key")
        }
    }

    mutating func offloading() {
        guard layout.offload != .none else { return }
        guard let host = job.cluster.host else {
            add(
                "layout.offload", "nothing is known of the host of \(job.cluster.accelerator.name)",
                "write cluster.host: {memory:, memory_bandwidth:, pcie:}, or offload: none")
            return
        }
        if case .resnet = job.model.kind { add("layout.offload", "offloading is for transformers", "write offload: none") }
        if layout.offload == .optimizer, job.replicas > 1, layout.zero == 0 {
            add("layout.offload", "every replica would update the whole model on its host", "write zero: 1, 2 or 3")
        }
        if layout.offload == .parameters, job.replicas > 1, layout.zero != 3 {
            add("layout.offload", "parameters live on the host in shards (ZeRO-Infinity)", "write zero: 3, or offload: optimizer")
        }
        if !job.cluster.pools.isEmpty {
            add("layout.offload", "offloading and pools of GPUs do not go together yet", "remove one of the two")
        }
        if layout.offloadShare < 1, layout.offload != .optimizer {
            add("layout.offload", "a share is of the optimizer's state", "write what: optimizer, or remove share")
        }
        if layout.offloadLayers != nil, layout.offload != .activations {
            add("layout.offload", "layers are those whose activations leave", "write what: activations, or remove layers")
        }
        if layout.offload == .activations, layout.offloadTarget == .nvme {
            add("layout.offload", "activations on drives are not modelled", "write to: cpu")
        }
        guard problems.isEmpty else { return }
        let estimate = MemoryEstimate(job: job)
        let perNode = Double(min(job.cluster.gpusPerNode, job.cluster.gpus)) * (estimate.stages.map(\.host).max() ?? 0)
        let isDrive = layout.offloadTarget == .nvme
        let capacity = Double(isDrive ? host.nvme.count : host.memory.count)
        if perNode > capacity {
            add(
                "layout.offload",
                "the state of a node's GPUs is \(fixed(perNode / 1e9, decimals: 0)) GB, its \(isDrive ? "drives hold" : "memory holds") \(fixed(capacity / 1e9, decimals: 0)) GB",
                isDrive ? "take more GPUs or nodes" : "write offload: {what: \(layout.offload.rawValue), to: nvme}, or take more nodes")
        }
    }

    mutating func pools() {
        let pools = job.cluster.pools
        guard !pools.isEmpty else { return }
        let total = pools.reduce(0) { $0.addingReportingOverflow($1.gpus).partialValue }
        if total != job.cluster.gpus {
            add("cluster.pools", "the pools have \(total) GPUs, the cluster \(job.cluster.gpus)", "make the numbers agree")
            return
        }
        guard problems.isEmpty else { return }
        let what = layout.pipeline > 1 ? "pipeline rank" : "replica"
        let unit = layout.pipeline > 1 ? job.cluster.gpus / layout.pipeline : layout.tensor * layout.context
        for (index, pool) in pools.enumerated() where unit < 1 || pool.gpus % unit != 0 {
            add(
                "cluster.pools[\(index)]", "\(pool.gpus) GPUs are not whole \(what)s of \(unit)",
                "choose degrees so that each \(what) stands in one pool")
        }
        if layout.pipeline > 1, layout.zero >= 3 {
            add("layout.zero", "parameters gathered layer by layer over pools of different GPUs are not modelled", "write zero: 0, 1 or 2")
        }
        if layout.pipeline == 1, layout.expert > 1 {
            add(
                "layout.expert", "experts shared by replicas of different speed are not modelled",
                "write expert: 1, or cut the pools by pipeline")
        }
        for pool in pools {
            let compute = job.precision.compute
            let native =
                pool.accelerator.peaks[compute] != nil || compute == .fp32 || compute == .mxfp8 && pool.accelerator.peaks[.fp8] != nil
            if !native {
                add(
                    "training.precision", "\(pool.accelerator.name) does not compute in \(compute.rawValue)",
                    "write a format that all pools have")
            }
        }
    }
}
