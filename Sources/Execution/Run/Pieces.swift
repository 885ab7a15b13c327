import Compression
import Kernels
import Plan
import Scenario
import Training

/// What a step's time is made of, each timed in isolation.
public enum Piece: Hashable, Sendable, CustomStringConvertible {
    case kernel(KernelCall)
    /// Elements copied into memory that other workers read, or out of it.
    case share(Int)
    case fetch(Int)
    /// Sum of so many elements of every replica into a common buffer.
    case reduce(Int, replicas: Int)
    /// The codec of the spec on so many elements; encoding with error feedback where asked for.
    case encode(Int)
    /// One message decoded, and added to a sum.
    case decode(Int)

    var isKernel: Bool { if case .kernel = self { true } else { false } }

    public var description: String {
        switch self {
        case .kernel(let call): call.description
        case .share(let n): "share(\(n))"
        case .fetch(let n): "fetch(\(n))"
        case .reduce(let n, let replicas): "reduce(\(n) of \(replicas))"
        case .encode(let n): "encode(\(n))"
        case .decode(let n): "decode(\(n))"
        }
    }
}

/// The pieces of every phase of a worker's step.
struct WorkerPieces: Sendable {
    /// Of one micro-batch, by chunk.
    var forward: [[Piece]] = []
    var backward: [[Piece]] = []
    /// Copies beside them, by chunk.
    var forwardCopies: [[Piece]] = []
    var backwardCopies: [[Piece]] = []
    /// Scaling the gradients.
    var scale: [Piece] = []
    /// Between replicas: before the first wait, between the waits, and behind the last.
    var encode: [Piece] = []
    var share: [Piece] = []
    var reduce: [Piece] = []
    var fetch: [Piece] = []
    var decode: [Piece] = []
    /// The tied embedding, before and behind the wait for the other end of the pipeline.
    var tiedShare: [Piece] = []
    var tiedFetch: [Piece] = []
    var optimizer: [Piece] = []
    /// Zeroing the gradients.
    var clear: [Piece] = []

    var all: [Piece] {
        (forward + backward + forwardCopies + backwardCopies).flatMap { $0 } + scale + encode + share + reduce + fetch + decode + tiedShare
            + tiedFetch + optimizer + clear
    }
}

/// A run's schedule, stages and pieces, the same in every process.
struct RunPlan: Sendable {
    let spec: ExecutionSpec
    let model: StagedModel
    let schedule: PipelineSchedule
    /// By pipeline rank; replicas are alike.
    let pieces: [WorkerPieces]
    /// Every piece once.
    let distinct: [Piece]

    init(_ spec: ExecutionSpec) throws(ExecutionError) {
        self.spec = spec
        model = try StagedModel(spec)
        do throws(ScheduleError) {
            schedule = try .make(spec.schedule, ranks: spec.pipeline, microBatches: spec.microBatches, chunks: spec.virtual)
        } catch { throw ExecutionError(.refused, error.message) }
        pieces = try Self.pieces(spec, model, schedule)
        var seen: Set<Piece> = []
        distinct = pieces.flatMap(\.all).filter { seen.insert($0).inserted }
    }

    /// Bytes that a worker's micro-batch touches, roughly: parameters with gradient and moments, and what the forward pass writes.
    var workingSet: Double {
        let written = pieces.map { work in
            work.forward.joined().reduce(0.0) { sum, piece in
                if case .kernel(let call) = piece { sum + call.bytes / 2 } else { sum }
            }
        }
        return 16 * spec.parameters / Double(spec.pipeline) + (written.max() ?? 0)
    }

    /// Index of the kernel with the most arithmetic.
    var heaviest: Int {
        func flops(_ piece: Piece) -> Double { if case .kernel(let call) = piece { call.flops } else { -1 } }
        return distinct.indices.max { (flops(distinct[$0]), $1) < (flops(distinct[$1]), $0) } ?? 0
    }

    /// Tensors that a pipeline rank trains.
    func tensors(rank: Int) -> [Int] { Array(Set(schedule.virtualStage[rank].flatMap { model.tensors($0) })).sorted() }
    func gradientElements(rank: Int) -> Int { model.elements(tensors(rank: rank)) }
    var embeddingElements: Int { model.isTied ? model.elements([0]) : 0 }
    /// Whether a rank holds a part of the embedding's gradient that another rank completes.
    func holdsTied(_ rank: Int) -> Bool {
        model.isTied && (schedule.virtualStage[rank].contains(0) || schedule.virtualStage[rank].contains(model.last))
    }
    /// Ranks that hold the first and the last stage.
    var tiedRanks: [Int] { (0..<spec.pipeline).filter { holdsTied($0) } }

    /// Elements of a replica's part of the sum.
    static func part(_ elements: Int, _ replica: Int, of replicas: Int) -> Range<Int> {
        (elements * replica / replicas)..<(elements * (replica + 1) / replicas)
    }

    private static func pieces(_ spec: ExecutionSpec, _ model: StagedModel, _ schedule: PipelineSchedule) throws(ExecutionError)
        -> [WorkerPieces]
    {
        let recorder = RecordingBackend(ShapesBackend())
        let runner = StageRunner(model: model, backend: recorder)
        let data = model.data(replica: 0, microBatch: 0)
        let parameters = model.shapes.map { Tensor<Float>(zeros: $0) }
        var gradients = parameters.map(\.values)
        var result: [WorkerPieces] = []
        do {
            for rank in 0..<spec.pipeline {
                var work = WorkerPieces()
                for stage in schedule.virtualStage[rank] {
                    let before = stage == 0 ? 0 : model.boundary(stage - 1)
                    let behind = stage == model.last ? 0 : model.boundary(stage)
                    _ = recorder.drain()
                    let pass = try runner.forward(stage, parameters, data, input: [Float](repeating: 0, count: before))
                    work.forward.append(recorder.drain().map { .kernel($0.call) })
                    _ = try runner.backward(pass, pass.output, parameters, &gradients)
                    work.backward.append(recorder.drain().map { .kernel($0.call) })
                    work.forwardCopies.append((before > 0 ? [.fetch(before)] : []) + (behind > 0 ? [.share(behind)] : []))
                    work.backwardCopies.append((behind > 0 ? [.fetch(behind)] : []) + (before > 0 ? [.share(before)] : []))
                }
                let owned = Array(Set(schedule.virtualStage[rank].flatMap { model.tensors($0) })).sorted()
                try work.addUpdate(spec, model, owned)
                if model.isTied, schedule.virtualStage[rank].contains(0) || schedule.virtualStage[rank].contains(model.last) {
                    work.tiedShare = [.share(model.elements([0]))]
                    work.tiedFetch = [.reduce(model.elements([0]), replicas: 2)]
                }
                result.append(work)
            }
        } catch { throw ExecutionError(.refused, "\(error)") }
        return result
    }
}

extension WorkerPieces {
    /// What follows the pipeline's instructions.
    fileprivate mutating func addUpdate(_ spec: ExecutionSpec, _ model: StagedModel, _ owned: [Int]) throws(KernelError) {
        let sizes = owned.map { model.shapes[$0].reduce(1, *) }
        let n = sizes.reduce(0, +)
        func each(_ kernel: KernelName) throws(KernelError) -> [Piece] {
            var list: [Piece] = []
            for size in sizes { list.append(.kernel(try KernelCall(kernel, [size]))) }
            return list
        }
        if spec.microBatches * spec.data > 1 { scale = try each(.scale) }
        if spec.data > 1, let codec = spec.codec {
            // Into one buffer, and the message to where others see it.
            let message = codec.compression.codec.encodedSize(count: n).most
            share = [.share(n), .share(max(1, message / 4))]
            encode = [.encode(n)]
            decode = Array(repeating: .decode(n), count: spec.data)
            fetch = [.fetch(n)]
        } else if spec.data > 1 {
            share = [.share(n)]
            reduce = [.reduce(n / spec.data, replicas: spec.data)]
            fetch = [.fetch(n)]
        }
        optimizer = try each(spec.optimizer == .sgd || spec.optimizer == .momentum ? .sgd : .adamW)
        clear = try each(.zeros)
    }
}
