import Cluster
import Plan
import Workload

/// Everything about a layout that a search may choose.
public struct LayoutChoice: Sendable, Hashable {
    public var tensor = 1
    public var pipeline = 1
    public var virtual = 1
    public var context = 1
    public var expert = 1
    public var expertTensor = 1
    public var sequenceParallel = false
    public var zero = 0
    public var microBatch = 1
    public var recompute = Recompute.none
    public var schedule = ScheduleKind.oneForwardOneBackward
    /// Layers of each virtual stage; nil: dealt by the stack's rule, uneven where they do not divide.
    public var stageLayers: [Int]?
    /// How the layers are dealt where they are not listed.
    public var stageDeal = Layout.StageDeal.auto
    public init() {}

    /// What `job` has chosen.
    public init(of job: Job) {
        let layout = job.layout
        (tensor, pipeline, virtual, context) = (layout.tensor, layout.pipeline, layout.virtual, layout.context)
        (expert, expertTensor, sequenceParallel, zero) = (layout.expert, layout.expertTensor, layout.sequenceParallel, layout.zero)
        (microBatch, recompute, schedule) = (job.training.microBatch, job.training.recompute, layout.schedule)
        stageLayers = layout.stageLayers
        if pipeline > 1, stageLayers == nil { stageDeal = layout.stageDeal }
        if schedule.fixedChunks == 2 { virtual = 1 }
        // Names of one and the same order.
        if pipeline == 1 || schedule == .interleaved && virtual == 1 { schedule = .oneForwardOneBackward }
        if schedule == .oneForwardOneBackward, virtual > 1 { schedule = .interleaved }
    }
}

extension LayoutChoice {
    /// The process groups alone: equal for layouts that share them.
    var groups: LayoutChoice {
        var groups = LayoutChoice()
        (groups.tensor, groups.context, groups.pipeline, groups.sequenceParallel) = (tensor, context, pipeline, sequenceParallel)
        (groups.expert, groups.expertTensor) = (expert, expertTensor)
        return groups
    }
}

/// What a search may choose from. Lists are tried in their order; an illegal combination is left out.
public struct SearchConstraints: Sendable, Hashable {
    public var recompute: [Recompute] = [.none, .selective, .full, .auto]
    public var zero = [0, 1, 2, 3]
    /// Of those that `SearchSpace.schedules` lists; nil: those that the job's stack has.
    public var schedules: [ScheduleKind]?
    /// Largest degrees; nil: as the model and the cluster allow.
    public var maxTensor: Int?
    public var maxPipeline: Int?
    public var maxVirtual: Int?
    public var maxMicroBatch: Int?
    /// Fewest tokens of a sequence on a context-parallel rank.
    public var contextTokens = 2048
    /// Most bytes on a GPU, where less than its memory is meant.
    public var memory: Double?
    public init() {}
}

/// All legal layouts of a model on a cluster with a given global batch and sequence.
public struct SearchSpace: Sendable {
    /// The job whose model, cluster, batch, sequence, precision and software are kept.
    public let job: Job
    public let constraints: SearchConstraints
    /// Every legal layout, in a fixed order: degrees outermost, so that neighbours share their process groups.
    public let choices: [LayoutChoice]

    /// Of `choices`, those that the enumeration lists; the rest were asked for by name.
    let enumerated: Int

    /// Of `choices`, those that are listed without having been asked for.
    public var enumeratedChoices: ArraySlice<LayoutChoice> { choices.prefix(enumerated) }

    /// Places of the job's own layout and of the others that were asked for: they are looked at first, however short the time.
    let named: [Int]

    /// Place of the job's own layout; nil where it is not legal, or its schedule is not one of `schedules`.
    public let own: Int?

    /// Schedules whose placement of stages the search knows.
    public static let schedules: [ScheduleKind] = [
        .gpipe, .oneForwardOneBackward, .interleaved, .zbH1, .zbH2, .zb1p, .zb2p, .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV,
    ]

    /// - Parameter others: layouts that are looked at besides, where they are legal.
    public init(job: Job, constraints: SearchConstraints = SearchConstraints(), others: [LayoutChoice] = []) {
        self.job = job
        self.constraints = constraints
        var choices = Enumeration(job: job, constraints: constraints).all()
        enumerated = choices.count
        // The job's own layout is one of the choices, whatever the enumeration leaves out (odd micro-batches, listed stages, layers recomputed).
        own = job.problems().isEmpty && job.layout.order == nil ? Self.place(of: LayoutChoice(of: job), job, in: &choices) : nil
        var named = own.map { [$0] } ?? []
        for other in others {
            if let place = Self.place(of: other, job, in: &choices), !named.contains(place) { named.append(place) }
        }
        self.named = named
        self.choices = choices
    }

    /// Place of a layout among the choices, to which it is added where it is missing and legal.
    private static func place(of choice: LayoutChoice, _ job: Job, in choices: inout [LayoutChoice]) -> Int? {
        if let place = choices.firstIndex(of: choice) { return place }
        guard SearchSpace.schedules.contains(choice.schedule), job.laidOut(choice).problems().isEmpty else { return nil }
        choices.append(choice)
        return choices.count - 1
    }

    /// Some layouts of a space.
    init(_ space: SearchSpace, choices: [LayoutChoice]) {
        (job, constraints) = (space.job, space.constraints)
        self.choices = choices
        enumerated = 0
        named = []
        own = choices.firstIndex(of: LayoutChoice(of: space.job))
    }

    /// The space with layouts behind its own, which are taken as they are.
    func extended(by choices: [LayoutChoice]) -> SearchSpace {
        SearchSpace(self, all: self.choices + choices)
    }

    private init(_ space: SearchSpace, all choices: [LayoutChoice]) {
        (job, constraints, enumerated, named, own) = (space.job, space.constraints, space.enumerated, space.named, space.own)
        self.choices = choices
    }

    /// The job laid out as `choice` says.
    public func job(_ choice: LayoutChoice) -> Job { job.laidOut(choice) }
}

extension Job {
    func laidOut(_ choice: LayoutChoice) -> Job {
        var job = self
        job.layout.tensor = choice.tensor
        job.layout.pipeline = choice.pipeline
        job.layout.virtual = choice.virtual
        job.layout.context = choice.context
        job.layout.expert = choice.expert
        job.layout.expertTensor = choice.expertTensor
        job.layout.sequenceParallel = choice.sequenceParallel
        job.layout.zero = choice.zero
        job.layout.schedule = choice.schedule
        job.layout.order = nil
        job.layout.data = cluster.gpus / (choice.tensor * choice.pipeline * choice.context)
        job.layout.stageLayers = choice.stageLayers
        job.layout.stageDeal = choice.stageDeal
        if choice.zero == 0 { job.layout.shardGroup = nil }
        if choice.zero != 3 { job.layout.reshardAfterForward = nil }
        job.training.microBatch = choice.microBatch
        job.training.recompute = choice.recompute
        return job
    }
}

private struct Enumeration {
    let job: Job
    let constraints: SearchConstraints

    func all() -> [LayoutChoice] {
        guard job.cluster.gpus > 0, job.training.globalBatch > 0 else { return [] }
        var all: [LayoutChoice] = []
        for tensor in tensors {
            for context in contexts {
                let rest = job.cluster.gpus / (tensor * context)
                guard rest > 0, job.cluster.gpus % (tensor * context) == 0 else { continue }
                for pipeline in divisors(of: rest, upTo: mostStages) {
                    for (expert, expertTensor) in expertDegrees(tensor) {
                        var choice = LayoutChoice()
                        (choice.tensor, choice.context, choice.pipeline) = (tensor, context, pipeline)
                        (choice.expert, choice.expertTensor) = (expert, expertTensor)
                        for sharesSequence in tensor > 1 ? [true, false] : [false] {
                            choice.sequenceParallel = sharesSequence
                            add(choice, data: rest / pipeline, to: &all)
                        }
                    }
                }
            }
        }
        return all
    }

    /// Micro-batches, schedules, sharding and recomputation on fixed degrees.
    private func add(_ degrees: LayoutChoice, data: Int, to all: inout [LayoutChoice]) {
        let batch = job.training.globalBatch
        guard batch % data == 0 else { return }
        var zeros =
            data * degrees.context > 1
            ? constraints.zero.filter { (0...3).contains($0) && job.allowsSharding($0, pipeline: degrees.pipeline) } : [0]
        if job.layout.offload == .none {
            guard isLegal(degrees, zero: 0) else { return }
        } else {
            // What the host has to hold depends on how far the state is sharded.
            zeros = zeros.filter { isLegal(degrees, zero: $0) }
        }
        var choice = degrees
        for micro in powersOfTwo(upTo: min(batch / data, constraints.maxMicroBatch ?? Int.max)) where batch / data % micro == 0 {
            choice.microBatch = micro
            for (schedule, chunks) in schedules(degrees.pipeline, microBatches: batch / data / micro) {
                (choice.schedule, choice.virtual) = (schedule, chunks)
                for recompute in recomputes {
                    // A rank of DualPipe holds copies of two stages, so layers cannot be counted by rank.
                    if recompute == .auto, schedule == .dualpipe { continue }
                    choice.recompute = recompute
                    for zero in zeros {
                        choice.zero = zero
                        if hasLegalShards(zero: zero, replicas: data * degrees.context) { all.append(choice) }
                    }
                }
            }
        }
    }

    private func isLegal(_ degrees: LayoutChoice, zero: Int) -> Bool {
        var choice = degrees
        (choice.microBatch, choice.zero) = (1, zero)
        return job.laidOut(choice).problems().isEmpty
    }

    private func hasLegalShards(zero: Int, replicas: Int) -> Bool {
        guard zero > 0, let group = job.layout.shardGroup else { return true }
        return group > 0 && replicas % group == 0
    }

    private var isTransformer: Bool { job.model.kind == .transformer }

    /// Powers of two that share the heads, within the GPUs that one fast switch joins.
    private var tensors: [Int] {
        guard isTransformer else { return [1] }
        let domain = max(job.cluster.domain, job.cluster.gpusPerNode)
        let most = min(domain, job.model.heads, constraints.maxTensor ?? Int.max)
        return powersOfTwo(upTo: most).filter { job.model.heads % $0 == 0 && job.cluster.gpus % $0 == 0 }
    }

    private var contexts: [Int] {
        guard isTransformer else { return [1] }
        return powersOfTwo(upTo: max(1, job.training.sequence / max(1, constraints.contextTokens)))
            .filter { job.training.sequence % $0 == 0 && job.cluster.gpus % $0 == 0 }
    }

    private var mostStages: Int { isTransformer ? min(job.model.layers, constraints.maxPipeline ?? Int.max) : 1 }

    private func expertDegrees(_ tensor: Int) -> [(Int, Int)] {
        guard let moe = job.model.moe else { return [(1, 1)] }
        let degrees = powersOfTwo(upTo: moe.experts).filter { moe.experts % $0 == 0 && $0 <= job.cluster.gpus }
        return (tensor > 1 ? [1, tensor] : [1]).flatMap { inner in degrees.map { ($0, inner) } }
    }

    /// Selective recomputation is of transformer layers; a CNN is not recomputed.
    private var recomputes: [Recompute] { isTransformer ? constraints.recompute : [.none] }

    /// Schedules with their chunks. Chunks are counts that deal the layers evenly, embedding and head counted as layers or not.
    private func schedules(_ pipeline: Int, microBatches: Int) -> [(ScheduleKind, Int)] {
        guard pipeline > 1 else { return [(.oneForwardOneBackward, 1)] }
        let layers = job.model.layers
        var result: [(ScheduleKind, Int)] = []
        for schedule in constraints.schedules ?? job.offeredSchedules where SearchSpace.schedules.contains(schedule) {
            switch schedule {
            case .interleaved:
                guard microBatches % pipeline == 0, layers / pipeline >= 2 else { continue }
                for chunks in 2...min(layers / pipeline, max(2, constraints.maxVirtual ?? Int.max)) {
                    let stages = pipeline * chunks
                    if layers % stages == 0 || (layers + 2) % stages == 0 { result.append((schedule, chunks)) }
                }
            case .zbV, .vHalf, .vMin: if 2 * pipeline <= layers { result.append((schedule, 1)) }
            case .dualpipeV: if 2 * pipeline <= layers, microBatches >= 2 * pipeline { result.append((schedule, 1)) }
            case .dualpipe:
                let isEven = pipeline % 2 == 0 && microBatches % 2 == 0
                if isEven, pipeline <= layers, microBatches >= 2 * pipeline { result.append((schedule, 1)) }
            default: result.append((schedule, 1))
            }
        }
        return result
    }

    private func powersOfTwo(upTo most: Int) -> [Int] {
        var result: [Int] = []
        var power = 1
        while power <= most, power <= 1 << 30 {
            result.append(power)
            power *= 2
        }
        return result
    }

    private func divisors(of number: Int, upTo most: Int) -> [Int] {
        most < 1 ? [] : (1...min(number, most)).filter { number % $0 == 0 }
    }
}
