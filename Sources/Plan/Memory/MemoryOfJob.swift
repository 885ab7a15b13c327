import Calibration
import Cluster
import Workload

extension MemoryEstimate {
    /// Memory of each pipeline rank with the layers and in-flight counts that the layout implies.
    public init(job: Job) { self.init(job: job, placement: StagePlacement(job: job)) }

    /// Memory of each pipeline rank.
    ///
    /// States after Rajbhandari et al. (ZeRO, arXiv:1910.02054), activations after Korthikanti et al. (arXiv:2205.05198), both op by op.
    /// - Parameters:
    ///   - stageLayers: layers of each rank's chunks, [ranks][chunks].
    ///   - inFlight: micro-batches of each chunk held at once, [ranks][chunks].
    ///   - virtualStage: depth of each chunk, [ranks][chunks]; nil: rank + chunk x ranks.
    public init(job: Job, stageLayers: [[Int]], inFlight: [[Double]], virtualStage: [[Int]]? = nil) {
        self.init(job: job, placement: StagePlacement(layers: stageLayers, inFlight: inFlight, virtualStage: virtualStage))
    }

    public init(job: Job, placement: StagePlacement) {
        let capacity = Double(job.cluster.accelerator.usable.count)
        if case .resnet(let depth, let imageSize) = job.model.kind {
            self.init(
                stages: [
                    ConvolutionMemory(
                        depth: depth, imageSize: imageSize, groups: job.model.convolutionGroups, groupWidth: job.model.groupWidth
                    ).stage(job, capacity: capacity)
                ], capacity: capacity)
        } else {
            let model = StageMemory(job)
            let starts = StageMemory.firstLayers(placement)
            self.init(
                stages: placement.layers.indices.map { model.stage($0, of: placement, starts: starts, capacity: capacity) },
                capacity: capacity)
        }
        margin = job.layout.memoryMargin
    }

    /// Bytes that the job's framework prints as its peak: those of the fullest stage as it counts them, or of the first where that rank alone prints.
    /// - Parameter measure: what the figure counts, where the reader knows better than the stack.
    public func printed(for job: Job, as measure: MemoryMeasure? = nil) -> Double {
        let traits = MemoryTraits(job)
        let counted = measure ?? traits.stack.measure
        return traits.stack.printsFirstStage ? stages.first?.total(counted) ?? 0 : peak(counted)
    }

    /// Which figure the job's framework prints: compare a published reading with `peak(measure)`.
    public static func measure(of job: Job) -> MemoryMeasure { MemoryTraits(job).stack.measure }
}

/// Fills one stage of the estimate; what does not depend on the stage is computed once.
private struct StageMemory {
    let job: Job
    let traits: MemoryTraits
    let shape: LayerShape
    let dense: LayerActivations
    let expert: LayerActivations
    let states: StateBytes

    init(_ job: Job) {
        self.job = job
        traits = MemoryTraits(job)
        shape = LayerShape(job)
        dense = LayerActivations(job: job, isExpert: false)
        expert = LayerActivations(job: job, isExpert: true)
        states = StateBytes(job, traits: traits)
    }

    /// - Parameter starts: first layer of each virtual stage, [virtual stages].
    func stage(_ rank: Int, of placement: StagePlacement, starts: [Int], capacity: Double) -> MemoryEstimate.Stage {
        var stage = MemoryEstimate.Stage()
        let last = max(0, starts.count - 1)
        let depths = placement.virtualStage[rank]
        let isFirst = depths.contains(0)
        let isLast = depths.contains(last)
        let ranges = placement.layers[rank].indices.map {
            starts[depths[$0]]..<(starts[depths[$0]] + placement.layers[rank][$0])
        }
        // Multi-token-prediction layers stand behind the last one, each with a projection of twice the width (arXiv:2412.19437 section 2.2).
        let extra = isLast ? Array(repeating: max(0, job.model.layers - 1), count: job.model.mtpLayers) : []
        var weights = StageWeights(job: job, layers: ranges.flatMap { Array($0) } + extra, hasEmbedding: isFirst, hasHead: isLast)
        weights.dense += Double(extra.count) * 2 * shape.h * shape.h

        stage.parameters = states.parameters(weights)
        stage.gradients = states.gradients(weights)
        stage.optimizer = states.optimizer(weights)
        stage.host = states.hostBytes(weights)

        let all = ranges.reduce(0) { $0 + $1.count }
        let fixed = stage
        func filled(_ recomputed: Int) -> MemoryEstimate.Stage {
            var stage = fixed
            addActivations(&stage, ranges: ranges, rank: rank, placement: placement, recomputed: recomputed)
            // Made layer by layer while the activations go: only what exceeds them adds to the peak.
            if traits.stack.freesGradients, job.microBatches == 1, job.layout.pipeline == 1 {
                stage.gradients = max(0, stage.gradients - stage.activations)
            }
            stage.buffers += states.buffers(weights, isEnd: isFirst || isLast)
            stage.buffers += traits.stack.workspace
            stage.buffers += job.training.compression?.memoryBytes(elements: weights.dense + weights.expert, job: job) ?? 0
            if job.layout.pipeline > 1 { stage.buffers += 2 * shape.e * shape.h * shape.local }
            addFragmentation(&stage, weights: weights, layers: all, hasHead: isLast, capacity: capacity)
            return stage
        }
        guard job.training.recompute == .auto else { return filled(recomputedLayers(all, rank: rank)) }
        // Where not even all layers recomputed leave the margin free, the capacity is what they have to fit.
        let room = capacity * (1 - job.layout.memoryMargin)
        let limit = filled(all).total <= room ? room : capacity
        // Each layer more that is recomputed leaves less to hold, so the first count that fits is the least.
        var (low, high) = (0, all)
        while low < high {
            let middle = (low + high) / 2
            if filled(middle).total <= limit { high = middle } else { low = middle + 1 }
        }
        var found = filled(low)
        found.recomputedLayers = low
        return found
    }

    /// What micro-batches in flight keep, the layer at work, and the logits.
    private func addActivations(
        _ stage: inout MemoryEstimate.Stage, ranges: [Range<Int>], rank: Int, placement: StagePlacement, recomputed: Int
    ) {
        let last = placement.virtualStage.joined().max() ?? 0
        let depths = placement.virtualStage[rank]
        let isLast = depths.contains(last)
        let extra = isLast ? Array(repeating: max(0, job.model.layers - 1), count: job.model.mtpLayers) : []
        var live = 0.0
        var remaining = recomputed
        var moving = 0.0
        for (chunk, range) in ranges.enumerated() {
            let held = placement.held(rank, chunk)
            var offloaded = 0
            var layers = Array(range)
            if isLast, depths[chunk] == last { layers += extra }
            for layer in layers {
                let activations = isExpert(layer) ? expert : dense
                let kept = activations.kept(policy(&remaining), repeatsHalf: traits.stack.repeatsHalf)
                if job.layout.offload == .activations, offloaded < job.layout.offloadLayers ?? .max {
                    // On the device stand those of the layer at work, and of the one on its way.
                    stage.host += held * kept.stored
                    moving = max(moving, 2 * kept.stored)
                    offloaded += 1
                } else {
                    stage.activations += held * kept.stored
                }
                live = max(live, kept.live + activations.workspace)
            }
            if depths[chunk] == 0 { stage.activations += held * embedding }
            if depths[chunk] == last {
                stage.activations += held * 2 * shape.e * shape.h * shape.local
            }
            if traits.family == .deepspeed, job.layout.pipeline > 1 {
                // The pipeline engine keeps the output of every micro-batch in flight until its backward.
                stage.buffers += held * shape.e * shape.h * shape.tokens
            }
        }
        // The head's turn comes before the layers' backward: the larger of the two counts.
        stage.activations += moving + max(live, isLast ? loss : 0)
    }

    /// Cache that does not fit what is asked for later stays reserved while there is room, and is given back before the allocator fails.
    private func addFragmentation(
        _ stage: inout MemoryEstimate.Stage, weights: StageWeights, layers stageLayers: Int, hasHead: Bool, capacity: Double
    ) {
        // The optimizer step runs when all activations are gone, but its large flat tensors find no room in their cached blocks.
        let step = states.stepTemporaries(weights)
        stage.buffers += max(0, step - stage.activations)
        stage.context = traits.context(capacity)
        // What only waits is given back on demand: it takes no room that should stay free, so no layout is refused or recomputed for it.
        let margin = job.layout.memoryMargin * capacity
        let isParted = job.layout.tensor > 1
        if hasHead, isParted {
            let gathered = traits.stack.headBytes * shape.h * shape.tokens
            stage.buffers += min(gathered, max(0, capacity - margin - stage.total - stage.context))
        }
        let room = max(0, capacity - stage.total - stage.context)
        let unusable = traits.stack.slack * (stage.activations + stage.buffers) + min(step, stage.activations)
        stage.fragmentation = stage.context + min(room, unusable)
        let waiting = isParted ? traits.stack.waitingBytes * shape.h * shape.tokens : 0
        let copies = traits.earlyScores * shape.e * Double(job.model.heads * job.training.sequence) * shape.split * Double(stageLayers)
        stage.fragmentation += min(waiting + copies, max(0, capacity - margin - stage.total))
    }

    /// First layer of each virtual stage, [virtual stages].
    static func firstLayers(_ placement: StagePlacement) -> [Int] {
        var counts = [Int](repeating: 0, count: (placement.virtualStage.joined().max() ?? -1) + 1)
        for (rank, depths) in placement.virtualStage.enumerated() {
            for (chunk, depth) in depths.enumerated() { counts[depth] = placement.layers[rank][chunk] }
        }
        var next = 0
        return counts.map { count in
            defer { next += count }
            return next
        }
    }

    private func isExpert(_ layer: Int) -> Bool { job.model.moe.map { layer >= $0.denseLayers } ?? false }

    private func recomputedLayers(_ count: Int, rank: Int) -> Int {
        switch job.training.recompute {
        case .layers(let n): min(n, count)
        case .perRank(let counts) where counts.indices.contains(rank): min(counts[rank], count)
        default: 0
        }
    }

    private func policy(_ remaining: inout Int) -> Recompute {
        switch job.training.recompute {
        case .layers, .perRank, .auto: break
        default: return job.training.recompute
        }
        guard remaining > 0 else { return .none }
        remaining -= 1
        return .full
    }

    /// Of a micro-batch beside the first layer's input: dropout mask and the input of the embedding norm.
    private var embedding: Double {
        (traits.dropout ? shape.h * shape.local : 0) + (job.model.embeddingNorm ? shape.e * shape.h * shape.local : 0)
    }

    /// Logits of one micro-batch, vocabulary-parallel, at the worse of two moments.
    private var loss: Double {
        let tensor = Double(max(1, job.layout.tensor))
        let outputs = Double(job.model.outputs ?? job.model.vocab)
        var parts = 1.0
        // The gradient of the last hidden states, which parts of the loss fill one after the other.
        var gathered = 0.0
        switch job.training.loss {
        case .whole: break
        case .chunks(let count): (parts, gathered) = (Double(max(1, count)), count > 1 ? shape.e * shape.h * shape.tokens : 0)
        // A kernel's tile of logits is nothing beside the rest.
        case .fused: (parts, gathered) = (.infinity, shape.e * shape.h * shape.tokens)
        }
        let elements = outputs * shape.tokens * job.model.scoredShare / tensor / parts
        // Unfused: 16-bit logits, their fp32 copy and its exponentials.
        let forward = elements * (shape.e + (traits.fusedLoss ? 0 : traits.stack.lossBytes))
        // Gradient of the logits and the head's weight gradient in fp32 before it is added up.
        let backward = elements * shape.e + (job.frozenParts.contains(.head) ? 0 : 4 * outputs * shape.h / tensor)
        return gathered + max(forward, traits.family == .megatron ? backward : 0)
    }
}

/// Bytes of parameters, gradients and optimizer state on one GPU.
struct StateBytes {
    let job: Job
    let traits: MemoryTraits
    /// GPUs that share one sharded copy of the dense and of the expert weights.
    let shard: Double
    let expertShard: Double

    init(_ job: Job, traits: MemoryTraits) {
        self.job = job
        self.traits = traits
        let layout = job.layout
        // Megatron's distributed optimizer spans data and context ranks together; so does FSDP's mesh.
        // Copies that a bidirectional pipeline holds are shards too.
        let replicas = job.replicas
        let group = min(max(1, layout.shardGroup ?? replicas), replicas)
        shard = Double(group)
        let expertReplicas = Double(replicas * max(1, layout.tensor)) / Double(max(1, layout.expert) * max(1, layout.expertTensor))
        expertShard = max(1, min(expertReplicas, Double(layout.shardGroup ?? Int.max)))
    }

    private func sharded(_ weights: StageWeights, _ isSharded: Bool) -> Double {
        sharded(weights.dense, weights.expert, isSharded)
    }
    private func sharded(_ dense: Double, _ expert: Double, _ isSharded: Bool) -> Double {
        isSharded ? dense / shard + expert / expertShard : dense + expert
    }
    /// Of what receives gradients.
    private func shardedTrained(_ weights: StageWeights, _ isSharded: Bool) -> Double {
        sharded(weights.trainedDense, weights.trainedExpert, isSharded)
    }

    func parameters(_ weights: StageWeights) -> Double {
        // A frozen copy for reference passes is kept as the weights are computed with.
        let copies = job.training.adapters == nil && job.training.passes.reference > 0 ? 1.0 : 0
        let isSharded = job.layout.zero >= 3
        let reference = copies * traits.weightBytes(job.precision.compute) * sharded(weights, isSharded)
        if job.layout.offload == .parameters { return 0 }
        let each = traits.keepsOnlyMasters(job) ? masterBytes : traits.weightBytes(job.precision.compute)
        guard job.training.adapters != nil else { return reference + each * sharded(weights, isSharded) }
        // Beside adapters the base stands in its own format.
        let base = sharded(weights.frozen.denseBytes, weights.frozen.expertBytes, isSharded)
        return base + each * shardedTrained(weights, isSharded)
    }

    private var masterBytes: Double { job.precision.master?.bytes ?? 4 }

    func gradients(_ weights: StageWeights) -> Double {
        if gradientsLeave { return 0 }
        return traits.gradientBytes(job) * shardedTrained(weights, job.layout.zero >= 2)
    }

    /// Gradients go to the host bucket by bucket and are added up there (arXiv:2101.06840 section 4): where they are sharded, or there is one GPU.
    var gradientsLeave: Bool { job.addsGradientsOnHost }

    /// Bytes that one GPU keeps on its host.
    func hostBytes(_ weights: StageWeights) -> Double {
        guard job.layout.offloadsState else { return 0 }
        let isSharded = job.layout.zero >= 1 || gradientsLeave
        let own = shardedTrained(weights, isSharded)
        var each = 4 + job.stateBytesPerParameter
        if gradientsLeave { each += traits.gradientBytes(job) }
        let fetched = job.layout.offload == .parameters ? 2 * sharded(weights, isSharded) : 0
        return each * own * job.layout.offloadShare + fetched
    }

    func optimizer(_ weights: StageWeights) -> Double {
        // What stays of it: all, or the share that does not leave.
        let stays = job.layout.offloadsState ? 1 - job.layout.offloadShare : 1
        guard stays > 0 else { return 0 }
        let compute = job.precision.compute
        // A master in the very format that is computed with is the parameter itself (pure 16-bit training).
        let isOne = job.precision.master == compute
        if traits.stack.isPure16, compute.bytes == 2, !isOne {
            return stays * job.stateBytesPerParameter / 2 * shardedTrained(weights, job.layout.zero >= 1)
        }
        let hasMaster = compute.bytes < 4 && !traits.keepsOnlyMasters(job) && !isOne
        let master = hasMaster ? masterBytes : 0
        return stays * (master + job.stateBytesPerParameter) * shardedTrained(weights, job.layout.zero >= 1)
    }

    /// What the optimizer step allocates beside parameters, gradients and state.
    func stepTemporaries(_ weights: StageWeights) -> Double {
        // The host's optimizer makes its casts there.
        guard !job.layout.offloadsState else { return 0 }
        let compute = job.precision.compute
        switch traits.family {
        // The step casts the gradients to fp32, flat: ZeRO its own part; without ZeRO the pieces and the flat copy stand together.
        case .deepspeed where job.layout.zero < 3:
            return job.layout.zero == 0 ? 8 * weights.trained : 4 * shardedTrained(weights, true)
        // fp16 gradients are cast to fp32 for the step; bf16 ones are accumulated in fp32 already.
        case .megatron where compute == .fp16 && traits.gradientBytes(job) < 4: return 4 * shardedTrained(weights, job.layout.zero >= 1)
        default: return 0
        }
    }

    /// Gathered parameters and communication buckets.
    func buffers(_ weights: StageWeights, isEnd: Bool) -> Double {
        let all = weights.trained
        // Two pieces on their way to the host, and the layers that are fetched: the one at work and the next.
        var staged = gradientsLeave ? 2 * traits.gradientBytes(job) * weights.largestTrained : 0
        if job.layout.offload == .parameters, !(job.layout.zero >= 3 && shard > 1) { staged += 2 * 2 * weights.largestLayer }
        return staged + ordinaryBuffers(weights, all: all, isEnd: isEnd) + dequantised
    }

    private func ordinaryBuffers(_ weights: StageWeights, all: Double, isEnd: Bool) -> Double {
        switch traits.family {
        case .megatron where job.layout.zero < 3: return 0
        case .deepspeed where job.layout.zero < 3:
            // Reduce and gather buckets of 5e8 elements each (DeepSpeed's default); the tables' gradient is made whole, then added.
            let buckets = job.layout.zero == 0 ? 0 : 2 * 2 * min(5e8, all)
            let trainsTables = !job.frozenParts.isSuperset(of: [.embedding, .head])
            let tables = 2 * (isEnd && trainsTables ? weights.tables : 0)
            return buckets + tables
        default:
            guard job.layout.zero >= 3, shard > 1 else { return 0 }
            // Whole parameters in the format computed with, and whole gradients in the one they are added up in.
            if job.keepsGathered { return 2 * (weights.dense + weights.expert) + traits.gradientBytes(job) * all }
            // The unit at work and the one prefetched, in the format computed with; and the whole gradient of the unit at work.
            let gathered = min(2, job.training.adapters?.base.bytes ?? 2)
            return 2 * gathered * weights.largestLayer + (traits.keepsOnlyMasters(job) ? 4 : 2) * weights.largestTrained
        }
    }

    /// The matrix at work in 16 bits, where the base is quantised.
    private var dequantised: Double {
        guard let adapters = job.training.adapters, adapters.base != .bf16 else { return 0 }
        let model = job.model
        let widest = Swift.max(model.heads * model.headWidths.value, model.moe?.ffn ?? 0, model.ffn)
        return 2 * Double(model.hidden) * Double(widest) / Double(Swift.max(1, job.layout.tensor))
    }
}
