import Cluster
import Quantities
import Workload

extension Job {
    /// Everything that makes the job impossible, all at once; empty for a legal job. Whether it fits into memory is another question.
    public func problems() -> [Fault] {
        var check = Legality(job: self)
        check.counts()
        guard check.problems.isEmpty else { return check.problems }
        check.gpus()
        check.batch()
        switch model.kind {
        case .transformer:
            check.model()
            check.shape()
            check.tensor()
            check.sequence()
            check.experts()
            check.pipeline()
            check.grid()
            check.exchange()
        case .resnet:
            check.shape()
            check.convolutional()
        }
        check.precision()
        check.compression()
        check.trained()
        check.offloading()
        check.pools()
        if check.problems.isEmpty { check.placement() }
        return check.problems
    }
}

/// The rules, group by group.
struct Legality {
    let job: Job
    var problems: [Fault] = []

    init(job: Job) { self.job = job }

    var layout: Layout { job.layout }

    mutating func add(_ keyPath: String, _ reason: String, _ suggestion: String) {
        problems.append(Fault(keyPath: keyPath, reason: reason, suggestion: suggestion))
    }

    /// A list of GPUs must name one for each rank.
    mutating func placement() {
        guard case .listed = job.cluster.placement else { return }
        do throws(PlacementError) { _ = try Placement(job.deployment.degrees, job.cluster) } catch {
            add("cluster.placement", "\(error)", "list each rank's GPU once, or write packed, spread or searched")
        }
    }

    /// Everything that the other rules divide by.
    mutating func counts() {
        var positive: [(String, Int)] = [
            ("cluster.gpus", job.cluster.gpus), ("cluster.gpus_per_node", job.cluster.gpusPerNode), ("layout.tensor", layout.tensor),
            ("layout.pipeline", layout.pipeline), ("layout.virtual", layout.virtual), ("layout.context", layout.context),
            ("layout.expert", layout.expert), ("layout.expert_tensor", layout.expertTensor), ("layout.data", layout.data ?? 1),
            ("layout.shard_group", layout.shardGroup ?? 1), ("layout.tensor_depth", layout.tensorDepth),
            ("training.global_batch", job.training.globalBatch),
            ("training.micro_batch", job.training.microBatch), ("training.sequence", job.training.sequence),
        ]
        if case .transformer = job.model.kind {
            positive += [
                ("model.layers", job.model.layers), ("model.hidden", job.model.hidden), ("model.heads", job.model.heads),
                ("model.kv_heads", job.model.kvHeads), ("model.head_dim", job.model.headDim), ("model.vocab", job.model.vocab),
            ]
            if job.model.moe == nil { positive.append(("model.ffn", job.model.ffn)) }
        }
        for (key, value) in positive where value < 1 { add(key, "\(value) is not a positive number", "write 1 or more") }
        // Products of three degrees then stay within 64 bits.
        for (key, value) in positive where value > (key.hasPrefix("layout.") || key == "training.micro_batch" ? 1 << 20 : 1 << 40) {
            add(key, "\(value) is beyond anything that can be simulated", "write a smaller number")
        }
    }

    private func product(_ factors: Int...) -> Int? {
        var result = 1
        for factor in factors {
            let (next, overflow) = result.multipliedReportingOverflow(by: factor)
            if overflow { return nil }
            result = next
        }
        return result
    }

    mutating func gpus() {
        let gpus = job.cluster.gpus
        let degrees = "tensor \(layout.tensor) x pipeline \(layout.pipeline) x context \(layout.context)"
        let replica = product(layout.tensor, layout.pipeline, layout.context)
        if let data = layout.data {
            if replica.flatMap({ product($0, data) }) != gpus {
                let total = replica.flatMap { product($0, data) }.map { "\($0)" } ?? "too many"
                let advice = replica.flatMap { $0 <= gpus && gpus % $0 == 0 ? "write data: \(gpus / $0) or auto" : nil }
                add(
                    "layout.data", "data \(data) x \(degrees) is \(total) GPUs, the cluster has \(gpus)",
                    advice ?? "change the degrees until their product is \(gpus)")
            }
        } else if replica.map({ $0 > gpus || gpus % $0 != 0 }) ?? true {
            let key =
                layout.pipeline >= layout.tensor && layout.pipeline > 1
                ? "layout.pipeline" : layout.tensor > 1 ? "layout.tensor" : "layout.context"
            let total = replica.map { "\($0)" } ?? "too many"
            add(
                key, "\(degrees) is \(total) GPUs, which does not divide the cluster's \(gpus)",
                "choose degrees whose product divides \(gpus)")
        }
        let perNode = job.cluster.gpusPerNode
        if gpus > perNode, gpus % perNode != 0 {
            add(
                "cluster.gpus", "\(gpus) GPUs do not fill nodes of \(perNode)",
                "write \(gpus / perNode * perNode) or \((gpus / perNode + 1) * perNode)")
        }
        if gpus > max(perNode, job.cluster.domain), job.cluster.interNode == nil {
            add(
                "cluster.inter_node", "\(job.cluster.nodes) nodes are joined by nothing",
                "write inter_node: {link: ..., nics_per_node: ...}")
        }
        if let group = layout.shardGroup, group > 0, (job.data * layout.context) % group != 0 {
            add(
                "layout.shard_group", "groups of \(group) do not divide the \(job.data * layout.context) replicas",
                "write all, or a divisor of \(job.data * layout.context)")
        }
        if layout.zero != 3, layout.reshardAfterForward != nil {
            add(
                "layout.reshard_after_forward", "with zero: \(layout.zero) parameters are not gathered for each pass",
                "write zero: 3, or remove the key")
        }
        if layout.zero == 0, layout.shardGroup != nil {
            add("layout.shard_group", "nothing is sharded with zero: 0", "write zero: 1, 2 or 3, or remove shard_group")
        }
    }

    mutating func batch() {
        // Where the degrees do not make up the GPUs, the number of replicas means nothing.
        guard problems.isEmpty, let unit = product(job.data, job.training.microBatch) else { return }
        let batch = job.training.globalBatch
        // Pools of replicas may take different numbers of micro-batches; the plan deals them.
        if !job.cluster.pools.isEmpty, layout.pipeline == 1, batch % job.training.microBatch == 0, batch >= unit { return }
        guard batch % unit != 0 else { return }
        let lower = batch / unit * unit
        let advice = lower > 0 ? "write \(lower) or \(lower + unit)" : "write \(unit) or a multiple of it"
        if batch % job.data == 0 {
            let perReplica = batch / job.data
            add(
                "training.micro_batch",
                "micro-batches of \(job.training.microBatch) do not divide the \(perReplica) sequences of a replica",
                "write a divisor of \(perReplica)")
        } else {
            add(
                "training.global_batch",
                "\(batch) sequences are not a multiple of \(job.data) replicas x micro-batch \(job.training.microBatch)", advice)
        }
    }

    mutating func model() {
        let model = job.model
        if model.heads % model.kvHeads != 0 {
            add(
                "model.kv_heads", "\(model.kvHeads) key heads do not divide \(model.heads) query heads", "write a divisor of \(model.heads)"
            )
        }
        if let moe = model.moe {
            if moe.active > moe.experts {
                add("model.moe.active", "a token cannot go to \(moe.active) of \(moe.experts) experts", "write \(moe.experts) or fewer")
            }
            if moe.denseLayers > model.layers {
                add(
                    "model.moe.dense_layers", "\(moe.denseLayers) dense layers are more than the model's \(model.layers)",
                    "write \(model.layers) or fewer")
            }
            if moe.denseLayers > 0, model.ffn < 1 {
                add("model.ffn", "the dense layers have no width", "write ffn: with the inner width of their MLP")
            }
        }
        if case .learned(let length) = model.positions, length > 0, length < job.training.sequence {
            add(
                "training.sequence", "the model has positions for \(length) tokens only",
                "write \(length) or fewer, or model.positions: rotary")
        }
    }

    /// What the model's own check finds beside the rules above.
    mutating func shape() {
        let known = Set(problems.map(\.keyPath))
        for problem in job.model.problems where !known.contains(problem.keyPath) {
            add(problem.keyPath, problem.reason, "change it, or start from a preset")
        }
    }

    mutating func tensor() {
        let tensor = layout.tensor
        guard tensor > 1 else { return }
        let model = job.model
        // Fewer key heads than GPUs are copied, so either number must divide the other.
        if model.heads % tensor != 0 {
            add("layout.tensor", "\(tensor) GPUs cannot share \(model.heads) heads evenly", "write a divisor of \(model.heads)")
        } else if model.kvHeads % tensor != 0, tensor % model.kvHeads != 0 {
            add(
                "layout.tensor", "\(tensor) GPUs can neither share nor copy \(model.kvHeads) key heads evenly",
                "write a divisor or a multiple of \(model.kvHeads)")
        }
        if model.ffn > 0, model.ffn % tensor != 0 {
            add("layout.tensor", "\(tensor) GPUs cannot share an MLP of width \(model.ffn) evenly", "write a divisor of \(model.ffn)")
        }
    }

    mutating func sequence() {
        let sequence = job.training.sequence
        if sequence % layout.context != 0 {
            add("layout.context", "\(layout.context) GPUs cannot share \(sequence) tokens evenly", "write a divisor of \(sequence)")
        } else if layout.sequenceParallel, (sequence / layout.context) % layout.tensor != 0 {
            add(
                "layout.sequence_parallel", "\(layout.tensor) tensor ranks cannot share \(sequence / layout.context) tokens evenly",
                "choose a sequence that is a multiple of tensor x context = \(layout.tensor * layout.context)")
        }
    }

    mutating func experts() {
        guard let moe = job.model.moe else {
            for (key, degree) in [("layout.expert", layout.expert), ("layout.expert_tensor", layout.expertTensor)] where degree > 1 {
                add(key, "the model has no experts", "remove the key, or write model.moe")
            }
            return
        }
        if moe.experts % layout.expert != 0 {
            add("layout.expert", "\(layout.expert) GPUs cannot share \(moe.experts) experts evenly", "write a divisor of \(moe.experts)")
        }
        if moe.ffn % layout.expertTensor != 0 {
            add(
                "layout.expert_tensor", "\(layout.expertTensor) GPUs cannot share an expert of width \(moe.ffn) evenly",
                "write a divisor of \(moe.ffn)")
        }
        // Experts live on the GPUs of a stage: tensor x context x data of them (arXiv:2504.14960).
        let stage = product(layout.tensor, layout.context, job.data) ?? 0
        if let unit = product(layout.expert, layout.expertTensor), stage % unit != 0 {
            add(
                "layout.expert",
                "expert \(layout.expert) x expert_tensor \(layout.expertTensor) does not divide the \(stage) GPUs of a stage",
                "choose degrees whose product divides \(stage)")
        }
    }

    mutating func pipeline() {
        let chunks = layout.virtual
        let kind = layout.schedule
        if chunks > 1, layout.pipeline == 1 {
            add("layout.virtual", "\(chunks) chunks need a pipeline", "write virtual: 1, or a pipeline of 2 or more")
        }
        if let order = layout.order { listed(order) } else { ordered(kind, chunks: chunks) }
        if let refusal = StackOffers(job.software).refusal(zero: layout.zero, pipeline: layout.pipeline) {
            add("layout.zero", refusal.reason, refusal.advice)
        }
        stages()
        if kind == .dualpipe, layout.pipeline > 1 {
            switch job.training.recompute {
            case .layers, .auto, .perRank:
                add(
                    "training.recompute",
                    "a rank of dualpipe holds two stages of which other ranks hold copies, so layers cannot be counted by rank",
                    "write none, full, or {modules: [norms]}")
            default: break
            }
        }
        if layout.stageDeal == .memory, (kind.fixedChunks ?? layout.virtual) > 1 {
            add("layout.stage_layers", "layers are dealt by memory for one chunk a rank only", "write time or auto, or list the layers")
        }
        if case .layers(let count) = job.training.recompute {
            let most = (job.model.layers + layout.pipeline - 1) / layout.pipeline
            if count > most {
                add("training.recompute.layers", "a stage has \(most) layers, not \(count)", "write \(most) or fewer, or full")
            }
        }
    }

    /// Rules of the schedules that are made.
    private mutating func ordered(_ kind: ScheduleKind, chunks: Int) {
        switch kind {
        case .interleaved:
            if layout.pipeline > 1, chunks < 2 {
                add("layout.schedule", "interleaving needs 2 or more model chunks a rank", "write virtual: 2 or more, or schedule: 1f1b")
            }
            if problems.isEmpty, layout.pipeline > 1, job.microBatches % layout.pipeline != 0 {
                add(
                    "training.global_batch",
                    "\(job.microBatches) micro-batches are not a multiple of pipeline \(layout.pipeline), which interleaving needs",
                    "choose a global batch that is a multiple of data x micro_batch x pipeline = \(job.data * job.training.microBatch * layout.pipeline)"
                )
            }
        case .gpipe, .oneForwardOneBackward, .zbH1, .zbH2, .zb1p, .zb2p:
            if chunks > 1 {
                add(
                    "layout.schedule", "\(kind.rawValue) has one model chunk a rank, not \(chunks)",
                    "write schedule: interleaved, or virtual: 1")
            }
        case .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV: folded(kind)
        case .auto: break
        }
    }

    private mutating func stages() {
        // One rank has no pipeline; folded schedules have two chunks whatever `virtual` says, DualPipe two copies of one.
        let chunks =
            layout.pipeline == 1 ? layout.virtual : layout.schedule == .dualpipe ? 1 : layout.schedule.fixedChunks ?? layout.virtual
        guard let virtualStages = product(layout.pipeline, chunks) else { return }
        if let stageLayers = layout.stageLayers {
            if stageLayers.count != virtualStages {
                add(
                    "layout.stage_layers", "\(stageLayers.count) numbers for \(virtualStages) stages (pipeline x virtual)",
                    "write \(virtualStages) numbers, or auto")
            }
            let sum = stageLayers.reduce(0) { $0.addingReportingOverflow($1).partialValue }
            if sum != job.model.layers {
                add(
                    "layout.stage_layers", "the stages hold \(sum) layers, the model has \(job.model.layers)",
                    "make the numbers sum to \(job.model.layers), or write auto")
            }
            if stageLayers.contains(where: { $0 < 0 }) {
                add("layout.stage_layers", "a stage cannot hold fewer than 0 layers", "write 0 or more")
            }
        } else if job.model.layers + 2 < virtualStages {
            // The embedding and the head may have a stage each, as in "embeddings as layers".
            add(
                layout.virtual > 1 ? "layout.virtual" : "layout.pipeline",
                "\(job.model.layers) layers do not fill \(virtualStages) stages (pipeline x virtual)",
                "choose pipeline x virtual of at most \(job.model.layers)")
        }
    }

    mutating func convolutional() {
        let degrees = [
            ("tensor", layout.tensor), ("pipeline", layout.pipeline), ("context", layout.context), ("expert", layout.expert),
            ("virtual", layout.virtual),
        ]
        for (key, degree) in degrees where degree > 1 {
            add("layout.\(key)", "a convolutional network is not cut this way", "write \(key): 1; only data parallelism applies")
        }
    }

    mutating func precision() {
        let compute = job.precision.compute
        let peaks = job.cluster.accelerator.peaks
        let native: Bool
        switch compute {
        case .fp32: native = true
        case .fp8, .mxfp8: native = peaks[.fp8] != nil || peaks[.mxfp8] != nil
        default: native = peaks[compute] != nil
        }
        guard !native else { return }
        let offered = Precision.allCases.filter { peaks[$0] != nil && $0 != .int8 }.map(\.rawValue).joined(separator: ", ")
        add("training.precision", "\(job.cluster.accelerator.name) does not compute in \(compute.rawValue)", "write one of \(offered)")
    }

    /// Compressed gradients are summed whole by every replica, which is what ZeRO-2 and 3 avoid.
    mutating func compression() {
        guard let compression = job.training.compression else { return }
        if layout.zero >= 2 {
            add(
                "training.compression",
                "\(compression.name) with zero: \(layout.zero) is not modelled: every replica decodes whole gradients",
                "write zero: 0 or 1, or compression: none")
        }
        if let reduce = job.precision.reduce {
            add(
                "training.precision.reduce", "gradients are sent as \(compression.name), not in \(reduce.rawValue)",
                "remove reduce, or write compression: none")
        }
    }
}
