import Calibration
import Workload

/// What each virtual stage of a job computes, free of any constant: the ops of its kinds of layers, how many of each, and its parameters.
public struct StageWork: Sendable {
    /// A piece that is gathered, computed and reduced as one: the embedding, a layer, the head.
    public enum Unit: Sendable, Hashable {
        case embedding
        case layer(LayerVariant)
        /// A multi-token-prediction module.
        case prediction
        case head
    }
    /// Parameters of one rank.
    public struct LocalParameters: Sendable, Hashable {
        /// Replicated over data x context.
        public var dense = 0.0
        /// Routed experts, replicated over fewer ranks.
        public var expert = 0.0
        /// Of both, what receives no gradient.
        public var frozen = FrozenWeights()
        /// Gathers of a step over those of one forward and one backward pass, where parameters are gathered for each pass.
        public var gatherFactor = 1.0
        public init(dense: Double = 0, expert: Double = 0) { (self.dense, self.expert) = (dense, expert) }
        public var total: Double { dense + expert }
        /// What receives gradients.
        public var trained: LocalParameters { LocalParameters(dense: dense - frozen.dense, expert: expert - frozen.expert) }
        static func += (a: inout Self, b: Self) {
            a.dense += b.dense
            a.expert += b.expert
            a.frozen += b.frozen
            a.gatherFactor = max(a.gatherFactor, b.gatherFactor)
        }
    }

    /// The different units, each once.
    public let units: [Unit]
    /// Ops of one micro-batch, by unit.
    public let ops: [[Op]]
    /// Parameters of each unit on one rank.
    public let unitParameters: [LocalParameters]
    /// Units in order of depth as indices into `units`: [virtual stages][units].
    public let stages: [[Int]]
    /// Layers (without embedding and head) of each virtual stage.
    public let stageLayers: [Int]
    /// Parameters of each virtual stage on one rank; a tied output matrix counts on both ends of a pipeline.
    public let parameters: [LocalParameters]

    /// - Parameter stageLayers: layers of each virtual stage in order of depth; they sum to the model's layers.
    public init(job: Job, stageLayers: [Int]) {
        let model = job.model
        let sharding = job.sharding
        var units: [Unit] = []
        var stages: [[Int]] = []
        func index(of unit: Unit) -> Int {
            if let known = units.firstIndex(of: unit) { return known }
            units.append(unit)
            return units.count - 1
        }
        var depth = 0
        for (stage, layers) in stageLayers.enumerated() {
            var own: [Int] = []
            if stage == 0 { own.append(index(of: .embedding)) }
            for _ in 0..<layers {
                own.append(index(of: .layer(model.variant(at: depth))))
                depth += 1
            }
            if stage == stageLayers.count - 1 {
                for _ in 0..<model.mtpLayers { own.append(index(of: .prediction)) }
                own.append(index(of: .head))
            }
            stages.append(own)
        }
        self.units = units
        self.stages = stages
        self.stageLayers = stageLayers
        ops = units.map { unit in
            let base =
                switch unit {
                case .embedding: model.embedding(sharding: sharding).ops
                case .layer(let variant): model.layer(variant, sharding: sharding).ops
                case .prediction: model.multiTokenPrediction(sharding: sharding).ops
                case .head: model.head(sharding: sharding).ops
                }
            return job.trainedOps(base, of: unit)
        }
        let local = units.map { Self.parameters(of: $0, job: job) }
        unitParameters = local
        // Where the pipeline folds back, the first and the last stage are one rank's, which keeps one table.
        let splitsTie = model.tiedEmbeddings && model.outputs == nil && stageLayers.count > 1 && !PipelineShape(job: job).foldsBack
        parameters = stages.enumerated().map { stage, own in
            var sum = LocalParameters()
            for unit in own { sum += local[unit] }
            // The last rank of a pipeline holds its own copy of a tied table.
            if splitsTie, stage == stages.count - 1 {
                let table = Double(model.vocab * model.hidden) / Double(job.layout.weightCuts)
                sum.dense += table
                TrainedWeights(job).add(table, of: .head, to: &sum.frozen)
            }
            return sum
        }
    }

    /// A layer of the model proper, which recomputation can take whole.
    func isLayer(_ unit: Int) -> Bool {
        if case .layer = units[unit] { true } else { false }
    }

    /// Layers of each virtual stage that are recomputed in full.
    func fullLayers(_ job: Job) -> [Int] {
        switch job.training.recompute {
        case .none, .selective, .modules, .auto: return stageLayers.map { _ in 0 }
        case .full: return stageLayers
        case .layers(let count): return firstLayers(Array(repeating: count, count: max(1, job.layout.pipeline)), job)
        case .perRank(let counts): return firstLayers(counts, job)
        }
    }

    /// The first layers of each rank, chunk by chunk, [virtual stages].
    private func firstLayers(_ counts: [Int], _ job: Job) -> [Int] {
        let shape = PipelineShape(job: job)
        var left = counts
        return stageLayers.enumerated().map { stage, layers in
            let rank = shape.rank(of: stage)
            guard left.indices.contains(rank) else { return 0 }
            let taken = min(layers, left[rank])
            left[rank] -= taken
            return taken
        }
    }

    /// Buckets of the size that is asked for, as far as whole layers fill them, [virtual stages].
    public func gradientPieces(job: Job, behaviour: StackBehaviour) -> [Int] {
        stages.indices.map { stage in
            let most = max(1, min(stages[stage].count, 16))
            guard job.layout.bucketing == .fixed else { return most }
            let bytes = parameters[stage].trained.total * job.deployment.reduceBytes(behaviour)
            let buckets = (bytes / Double(max(1, job.layout.bucket.count))).rounded(.up)
            return max(1, min(most, buckets < 16 ? Int(buckets) : 16))
        }
    }

    private static func parameters(of unit: Unit, job: Job) -> LocalParameters {
        let count = job.model.parameters
        let tensor = Double(job.layout.weightCuts)
        let experts = Double(max(1, job.layout.expert * job.layout.expertTensor))
        let trained = TrainedWeights(job)
        var local = LocalParameters()
        func add(_ count: Double, _ part: ModelParts) {
            local.dense += count
            trained.add(count, of: part, to: &local.frozen)
        }
        func add(_ layer: ParameterCount.Layer) {
            add(Double(layer.attention) / tensor, .attention)
            add(Double(layer.mlp) / tensor, .mlp)
            add(Double(layer.sharedExperts) / tensor, .experts)
            add(Double(layer.norms), .norms)
            add(Double(layer.router), .router)
            local.expert += Double(layer.experts) / experts
            trained.add(Double(layer.experts) / experts, of: .experts, isExpert: true, to: &local.frozen)
        }
        if case .resnet = job.model.kind {
            // A CNN is cut over data only; its blocks are counted evenly, which matters to no total.
            let blocks = Double(max(1, job.model.layers))
            switch unit {
            case .layer: local.dense = Double(count.total - count.embedding - count.head) / blocks
            case .embedding: local.dense = Double(count.embedding)
            default: local.dense = Double(count.head)
            }
            return local
        }
        switch unit {
        case .embedding: add(Double(count.embedding) / tensor + Double(count.positions), .embedding)
        case .layer(let variant): add(variant.kind == .moe ? count.perMoELayer : count.perDenseLayer)
        case .prediction:
            let modules = Double(max(1, job.model.mtpLayers))
            let layer = job.model.moe == nil ? count.perDenseLayer : count.perMoELayer
            add(layer)
            add(max(0, Double(count.mtp) / modules - Double(layer.total)) / tensor, .attention)
        case .head:
            add(Double(count.head + count.taskHeads) / tensor, .head)
            add(Double(count.finalNorm), .norms)
        }
        local.gatherFactor = job.gatherFactor
        for matrix in job.training.adapters?.matrices(unit, of: job.deployment) ?? [] {
            let own = matrix.parameters(rank: job.training.adapters?.rank ?? 0)
            if matrix.isRouted { local.expert += own } else { local.dense += own }
        }
        return local
    }
}
