import Kernels
import Plan
import Scenario
import Training

/// A run's schedule, stages and pieces, the same in every process.
struct RunPlan: Sendable {
    let spec: ExecutionSpec
    let model: StagedModel
    let schedule: PipelineSchedule
    /// Forward instructions of each rank.
    private let runs: [Set<Instruction>]
    /// By pipeline rank; replicas are alike.
    let pieces: [WorkerPieces]
    /// Every piece once.
    let distinct: [Piece]

    init(_ spec: ExecutionSpec) throws(ExecutionError) {
        self.spec = spec
        model = try StagedModel(spec)
        do throws(ScheduleError) {
            schedule = try .make(spec.schedule, ranks: spec.pipeline, microBatches: spec.microBatches, chunks: spec.virtual).onOneCore
        } catch { throw ExecutionError(.refused, error.message) }
        runs = schedule.ranks.map { Set($0.filter { $0.kind == .forward }) }
        pieces = try PieceLister(spec, model, schedule).pieces()
        var seen: Set<Piece> = []
        distinct = pieces.flatMap(\.all).filter { seen.insert($0).inserted }
    }

    /// Tensors that a pipeline rank trains.
    func tensors(rank: Int) -> [Int] { model.tensors(stages: schedule.virtualStage[rank]) }
    func gradientElements(rank: Int) -> Int { model.elements(tensors(rank: rank)) }
    var embeddingElements: Int { tiedRanks.isEmpty ? 0 : model.elements([0]) }
    /// Ranks that hold the first or the last stage, and so a part of the embedding's gradient that the other completes. Who holds both has all of it.
    var tiedRanks: [Int] {
        guard model.isTied else { return [] }
        return (0..<spec.pipeline).filter {
            schedule.virtualStage[$0].contains(0) != schedule.virtualStage[$0].contains(model.last)
        }
    }

    /// Workers that hold the same parameters as this one and sum their gradients: the replicas of its rank, and in DualPipe those of the rank at the
    /// same distance from the other end, which trains the same stages for the other direction's micro-batches.
    func copies(of worker: Int) -> [Int] {
        let own = Set(schedule.virtualStage[worker % spec.pipeline])
        return (0..<spec.workers).filter { Set(schedule.virtualStage[$0 % spec.pipeline]) == own }
    }
    /// Each of them once.
    var groups: [[Int]] { (0..<spec.workers).map { copies(of: $0) }.enumerated().filter { $0.element.first == $0.offset }.map(\.element) }
    /// Workers that sum the embedding's gradient with this one.
    func tied(with worker: Int) -> [Int] { tiedRanks.map { worker / spec.pipeline * spec.pipeline + $0 } }

    /// Rank of the pipeline that runs a virtual stage for a micro-batch.
    func rank(stage: Int, microBatch: Int) -> Int {
        (0..<spec.pipeline).first { rank in
            schedule.virtualStage[rank].indices.contains { chunk in
                schedule.virtualStage[rank][chunk] == stage && runs[rank].contains(Instruction(.forward, microBatch, chunk: chunk))
            }
        } ?? 0
    }

    /// Workers between which something crosses, the lower number first: neighbours of the pipeline, of the rings of copies, and the ends with the
    /// embedding.
    var links: [(Int, Int)] {
        var found: Set<[Int]> = []
        func add(_ a: Int, _ b: Int) { if a != b { found.insert([min(a, b), max(a, b)]) } }
        for stage in 0..<model.last {
            for micro in 0..<spec.microBatches {
                let (from, to) = (rank(stage: stage, microBatch: micro), rank(stage: stage + 1, microBatch: micro))
                for replica in 0..<spec.data { add(replica * spec.pipeline + from, replica * spec.pipeline + to) }
            }
        }
        for group in groups { for i in group.indices { add(group[i], group[(i + 1) % group.count]) } }
        for replica in 0..<spec.data {
            let ends = tied(with: replica * spec.pipeline)
            if let first = ends.first, let last = ends.last { add(first, last) }
        }
        return found.map { ($0[0], $0[1]) }.sorted { $0 < $1 }
    }

    /// Elements of a replica's part of the sum.
    static func part(_ elements: Int, _ replica: Int, of replicas: Int) -> Range<Int> {
        (elements * replica / replicas)..<(elements * (replica + 1) / replicas)
    }
}

extension PipelineSchedule {
    /// One core does one thing after the other, and passes on each result when it has it: instructions that an accelerator runs as one block stand alone.
    var onOneCore: PipelineSchedule {
        var schedule = self
        for rank in ranks.indices { for i in ranks[rank].indices { schedule.ranks[rank][i].joinsNext = false } }
        return schedule
    }
}

extension StagedModel {
    func tensors(stages: [Int]) -> [Int] { Array(Set(stages.flatMap { tensors($0) })).sorted() }
}

/// Finds out what a worker's step consists of: walks every rank's instructions on a backend that computes nothing.
struct PieceLister {
    private let spec: ExecutionSpec
    private let model: StagedModel
    private let schedule: PipelineSchedule
    private let reuse: ReuseDistances
    private let recorder: RecordingBackend<ShapesBackend>

    init(_ spec: ExecutionSpec, _ model: StagedModel, _ schedule: PipelineSchedule) {
        (self.spec, self.model, self.schedule) = (spec, model, schedule)
        reuse = ReuseDistances(Machine(processor: ""))
        recorder = RecordingBackend(ShapesBackend(reuse))
    }

    func pieces() throws(ExecutionError) -> [WorkerPieces] {
        do { return try (0..<spec.pipeline).map(pieces) } catch { throw ExecutionError(.refused, "\(error)") }
    }

    private func pieces(rank: Int) throws -> WorkerPieces {
        var work = WorkerPieces()
        let stages = schedule.virtualStage[rank]
        let calls = try walk(rank)
        func list(_ kind: Instruction.Kind) -> [[Piece]] { stages.indices.map { calls[Place(kind: kind, chunk: $0)] ?? [] } }
        work.forward = list(.forward)
        work.backward = list(.backward)
        work.weight = list(.weight)
        for stage in stages {
            let before = stage == 0 ? 0 : model.boundary(stage - 1)
            let behind = stage == model.last ? 0 : model.boundary(stage)
            // What stays on the rank, at the turn of a V, is copied; DualPipe's other stage is for the other direction.
            func crosses(_ other: Int) -> Bool {
                spec.transport == .socket && (spec.schedule.parameterCopies > 1 || !stages.contains(other))
            }
            func taken(_ n: Int, _ from: Int) -> [Piece] { n > 0 ? [crosses(from) ? .receive(n) : .fetch(n)] : [] }
            func given(_ n: Int, _ to: Int) -> [Piece] { n > 0 ? [crosses(to) ? .send(n) : .share(n)] : [] }
            work.forwardCopies.append(taken(before, stage - 1) + given(behind, stage + 1))
            work.backwardCopies.append(taken(behind, stage + 1) + given(before, stage - 1))
        }
        try work.addUpdate(spec, model, model.tensors(stages: stages), reuse: reuse.farthest)
        if model.isTied, stages.contains(0) != stages.contains(model.last) {
            let n = model.elements([0])
            work.tiedShare = spec.transport == .socket ? [.send(n), .receive(n)] : [.share(n)]
            work.tiedFetch = [.reduce(model.elements([0]), replicas: 2)]
        }
        return work
    }

    private struct Place: Hashable {
        var kind: Instruction.Kind
        var chunk: Int
    }

    /// The calls of one micro-batch by kind and chunk, with the reuse of their operands as it is in the mean over the micro-batches.
    private func walk(_ rank: Int) throws -> [Place: [Piece]] {
        let runner = StageRunner(model: model, backend: recorder)
        let data = model.data(replica: 0, microBatch: 0)
        let parameters = model.shapes.map { shape in
            var tensor = Tensor<Float>(zeros: shape)
            tensor.values = reuse.marked(tensor.values.count)
            return tensor
        }
        var gradients = model.shapes.map { reuse.marked($0.reduce(1, *)) }
        var passes: [Instruction: StageRunner<RecordingBackend<ShapesBackend>>.Pass] = [:]
        var rests: [Instruction: PostponedGradients<RecordingBackend<ShapesBackend>>] = [:]
        var calls: [Place: (calls: [KernelCall], reuse: [Double], count: Double)] = [:]
        reuse.forget()
        for instruction in schedule.ranks[rank] {
            let stage = schedule.virtualStage[rank][instruction.chunk]
            let key = Instruction(.forward, instruction.microBatch, chunk: instruction.chunk)
            _ = recorder.drain()
            _ = reuse.drain()
            switch instruction.kind {
            case .forward:
                let input = reuse.marked(stage == 0 ? 0 : model.boundary(stage - 1))
                passes[key] = try runner.forward(stage, parameters, data, input: input)
            case .backward:
                guard let pass = passes.removeValue(forKey: key) else { break }
                let flow = stage == model.last ? pass.flow : reuse.marked(model.boundary(stage))
                if schedule.splitsBackward {
                    rests[key] = try runner.backwardInput(pass, flow, parameters, &gradients).rest
                } else {
                    _ = try runner.backward(pass, flow, parameters, &gradients)
                }
            case .weight:
                rests.removeValue(forKey: key)?.add(to: &gradients, on: recorder)
            }
            let (made, distances) = (recorder.drain().map(\.call), reuse.drain())
            let place = Place(kind: instruction.kind, chunk: instruction.chunk)
            var all = calls[place] ?? (made, [Double](repeating: 0, count: made.count), 0)
            for i in made.indices where i < distances.count { all.reuse[i] += distances[i] }
            all.count += 1
            calls[place] = all
        }
        return calls.mapValues { all in
            zip(all.calls, all.reuse).map { .kernel($0, reuse: Int(($1 / max(1, all.count)).rounded())) }
        }
    }
}
