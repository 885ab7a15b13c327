import Compression
import Kernels
import Scenario
import Training

/// What a step's time is made of, each timed in isolation.
public enum Piece: Hashable, Sendable, CustomStringConvertible {
    /// `reuse`: bytes that are touched between two uses of an operand, mean over the operands, as a power of two; see `ReuseDistances`.
    case kernel(KernelCall, reuse: Int)
    /// Elements copied into memory that other workers read, or out of it.
    case share(Int)
    case fetch(Int)
    /// A message of so many elements through a socket: its sender's half, and its receiver's.
    case send(Int)
    case receive(Int)
    /// Sum of so many elements of every replica into a common buffer.
    case reduce(Int, replicas: Int)
    /// The codec of the spec on so many elements; encoding with error feedback where asked for.
    case encode(Int)
    /// One message decoded, and added to a sum.
    case decode(Int)

    public var description: String {
        switch self {
        case .kernel(let call, let reuse): "\(call) after \((1 << reuse) >> 10) KiB"
        case .share(let n): "share(\(n))"
        case .fetch(let n): "fetch(\(n))"
        case .send(let n): "send(\(n))"
        case .receive(let n): "receive(\(n))"
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
    /// What the schedule computes apart from the backward pass; empty where it does not.
    var weight: [[Piece]] = []
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

    var all: [Piece] { weighted(microBatches: 1).flatMap(\.pieces) }

    /// With how often each list is worked through in a step.
    func weighted(microBatches: Int) -> [(pieces: [Piece], count: Int)] {
        (forward + backward + weight + forwardCopies + backwardCopies).map { ($0, microBatches) }
            + [scale, encode, share, reduce, fetch, decode, tiedShare, tiedFetch, optimizer, clear].map { ($0, 1) }
    }
}

extension WorkerPieces {
    /// What follows the pipeline's instructions.
    /// - Parameters:
    ///   - owned: tensors of the worker
    ///   - reuse: between two steps, as in `Piece.kernel`
    mutating func addUpdate(_ spec: ExecutionSpec, _ model: StagedModel, _ owned: [Int], reuse: Int) throws(KernelError) {
        let sizes = owned.map { model.shapes[$0].reduce(1, *) }
        let n = sizes.reduce(0, +)
        func each(_ kernel: KernelName) throws(KernelError) -> [Piece] {
            var list: [Piece] = []
            for size in sizes { list.append(.kernel(try KernelCall(kernel, [size]), reuse: reuse)) }
            return list
        }
        if spec.microBatches * spec.data > 1 { scale = try each(.scale) }
        if spec.copies > 1, let codec = spec.codec {
            // Into one buffer, and the message to where others see it.
            let message = codec.compression.codec.encodedSize(count: n).most
            let words = max(1, message / 4)
            // Around a ring every message passes every replica.
            let hops = Array(repeating: [Piece.send(words), .receive(words)], count: spec.copies - 1).flatMap { $0 }
            share = [.share(n)] + (spec.transport == .socket ? hops : [.share(words)])
            encode = [.encode(n)]
            decode = [.kernel(try KernelCall(.zeros, [n]), reuse: reuse)] + Array(repeating: .decode(n), count: spec.copies)
            fetch = [.fetch(n)]
        } else if spec.copies > 1 {
            share = [.share(n)]
            let part = n / spec.copies
            func ring(_ pieces: [Piece]) -> [Piece] { Array(repeating: pieces, count: spec.copies - 1).flatMap { $0 } }
            if spec.transport == .socket {
                reduce = ring([.send(part), .receive(part), .reduce(part, replicas: 2)])
                fetch = ring([.send(part), .receive(part), .fetch(part)]) + [.fetch(n)]
            } else {
                reduce = [.reduce(part, replicas: spec.copies)]
                fetch = [.fetch(n)]
            }
        }
        optimizer = try each(spec.optimizer == .sgd || spec.optimizer == .momentum ? .sgd : .adamW)
        clear = try each(.zeros)
    }
}
