import Cluster
import Compression
import Training
import Workload

/// Gradients sent through a codec of module Compression. Sizes come from the codec itself: stated where they are exact, else by encoding a sample.
///
/// The exchange is the codec's own (`ExchangeMethod`): an all-reduce, an all-to-all and an all-gather, or an all-gather of all messages. Encoding and
/// decoding run once a step on the compute stream, at the device's memory bandwidth: a lower bound for selection, whose kernels seldom reach it.
/// The all-to-all is flat; ZeRO++ cuts it in two, inside nodes and between, which is not modelled.
public struct GradientCompression: Sendable, Hashable {
    public let name: String
    /// Whether what was not sent is kept, 4 bytes an element.
    public let keepsResidual: Bool
    /// As it is before the first message.
    public let codec: any GradientCodec
    /// Whether every element has its own bytes, so that sums can be cut anywhere.
    private var keepsElements: Bool { codec is IdentityCodec || codec is Bfloat16Codec }
    /// Bytes an element of the sample's message.
    private let sampled: Double
    static let sampleCount = 1 << 18

    /// - Throws: `CodecError` where the codec cannot encode an ordinary gradient.
    public init(_ codec: any GradientCodec, name: String? = nil) throws(CodecError) {
        self.codec = codec
        self.name = name ?? codec.name
        keepsResidual = codec is ErrorFeedback
        // Normal draws: where the data decide the size (delta-coded positions), independent elements are the usual and the longest case.
        var draws = SeededDraws(seed: 1)
        let sample = draws.normals(Self.sampleCount).map { Float($0) }
        var encoder = codec
        sampled = Double(try encoder.encode(sample).count) / Double(Self.sampleCount)
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.name == b.name && a.keepsResidual == b.keepsResidual && a.sampled == b.sampled
            && a.bytesPerElement(side: 4096) == b.bytesPerElement(side: 4096)
    }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(sampled)
    }

    /// Bytes of one worker's message, an element of a gradient [side][side].
    public func bytesPerElement(side: Int) -> Double {
        let count = max(1, side * side)
        let size = codec.encodedSize(count: count)
        return size.isExact ? Double(size.most) / Double(count) : sampled
    }

    private func side(_ model: Architecture) -> Int { max(256, model.hidden) }

    /// What goes over the network for `elements` over a group of `ranks`, in order: operations with their full buffers in bytes (see `CollectiveOp`).
    public func collectives(elements: Double, ranks: Int, of deployment: Deployment) -> [(operation: CollectiveOp, bytes: Double)] {
        let message = elements * bytesPerElement(side: side(deployment.model))
        // With ZeRO-1 a replica needs the sum of its own part only, where elements can be told apart in a message.
        let isSharded = deployment.layout.zero >= 1
        switch codec.exchange {
        case .allReduce: return [(isSharded && keepsElements ? .reduceScatter : .allReduce, message)]
        case .scatterAndGather: return [(.allToAll, message)] + (isSharded ? [] : [(.allGather, message)])
        case .gather: return [(.allGather, message * Double(ranks))]
        }
    }

    /// Seconds of encoding and decoding on the device, a step.
    func kernelSeconds(_ parameters: StageWork.LocalParameters, model: CostModel) -> Double {
        let count = Self.sampleCount
        var bytes = 0.0
        for (elements, group) in [(parameters.dense, model.groups.dataContext), (parameters.expert, model.groups.expertData)]
        where elements > 0 && group.ranks > 1 {
            let each = codec.cost(count: count).encodeBytes + codec.decodeBytes(count: count, workers: group.ranks)
            bytes += elements * each / Double(count)
        }
        return model.timings.memorySeconds(bytes)
    }

    /// What stays or is held at once: the residual, and one bucket's messages of all replicas.
    func memoryBytes(elements: Double, job: Job) -> Double {
        let replicas = Double(job.data * max(1, job.layout.context))
        guard replicas > 1 else { return 0 }
        let bucket = min(elements, Double(job.layout.bucket.count) / 4) * bytesPerElement(side: side(job.model))
        return (keepsResidual ? 4 * elements : 0) + bucket * (codec.exchange == .gather ? replicas : 2)
    }

    func remarks(_ job: Job) -> [String] {
        let share = (bytesPerElement(side: side(job.model)) / 4 * 1e4).rounded() / 100
        let way =
            switch codec.exchange {
            case .allReduce: "summed on the way"
            case .scatterAndGather: "summed part by part, each part sent twice"
            case .gather: "all messages gathered and decoded by every replica"
            }
        return [
            "training.compression: \(name), \(share)% of the fp32 bytes, \(way); encoding and decoding at memory bandwidth. What it does to the loss is not part of this simulation"
        ]
    }
}
