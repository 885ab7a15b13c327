import Compression
import Training

/// A worker's encoder in the precision of the run: real messages, with what they leave out kept for the next one where the codec keeps it.
///
/// Messages hold single precision. An element that arrives as exactly its single-precision value arrives as it was: what the codec changes is
/// lost, what only the wire's format rounds is not, so that a codec that sends everything changes no bit of a run in double precision.
struct Wire<Scalar: TrainingScalar>: Sendable {
    private var codec: any GradientCodec
    private let keepsResidual: Bool
    /// Random coordinates without error feedback are scaled by n / k, which makes their mean right.
    private let isUnbiasedDraw: Bool
    private(set) var residual: [Scalar] = []
    /// Bytes of the messages so far, as the task's own size makes them.
    private(set) var bytes = 0

    init(_ codec: any GradientCodec) {
        if let feedback = codec as? ErrorFeedback {
            self.codec = feedback.codec
            keepsResidual = true
        } else {
            self.codec = codec
            keepsResidual = false
        }
        if let sparse = self.codec as? SparseCodec, case .random = sparse.selection {
            isUnbiasedDraw = !keepsResidual
        } else {
            isUnbiasedDraw = false
        }
    }

    /// What arrives of `values` [elements].
    mutating func send(_ values: [Scalar]) throws(CodecError) -> [Scalar] {
        var whole = values
        if keepsResidual, residual.count == values.count { Scalar.axpy(&whole, residual, 1) }
        let single = whole.map { Float($0) }
        let message = try codec.encode(single)
        bytes += message.count
        let decoded = try codec.decode(message, count: single.count)
        var arrived = [Scalar](repeating: 0, count: whole.count)
        for i in whole.indices { arrived[i] = decoded[i] == single[i] ? whole[i] : Scalar(decoded[i]) }
        if keepsResidual {
            residual = whole
            Scalar.axpy(&residual, arrived, -1)
            for i in residual.indices where !residual[i].isFinite { residual[i] = 0 }
        }
        if isUnbiasedDraw, let sparse = codec as? SparseCodec, let k = sparse.selection.count(of: whole.count), k > 0 {
            Scalar.scale(&arrived, Scalar(Double(whole.count) / Double(k)))
        }
        return arrived
    }

    func save(_ writer: inout StateWriter) {
        writer.put(residual)
        writer.put(bytes)
        writer.put(codec.savedState)
    }
    mutating func restore(_ reader: inout StateReader) throws {
        residual = try reader.scalars()
        bytes = try reader.integer()
        try codec.restore(savedState: try reader.bytes())
    }
}

/// PowerSGD among workers that stay in step: the factors are averaged on the way, so one call serves them all.
struct FactorExchange<Scalar: TrainingScalar>: Sendable {
    private var codec: PowerSGD
    private let keepsResidual: Bool
    /// [workers][elements]
    private var residuals: [[Scalar]]

    /// Nil for any other codec.
    init?(_ codec: (any GradientCodec)?, workers: Int) {
        let feedback = codec as? ErrorFeedback
        guard let own = (feedback?.codec ?? codec) as? PowerSGD else { return nil }
        self.codec = own
        keepsResidual = feedback != nil
        residuals = [[Scalar]](repeating: [], count: workers)
    }

    /// The mean that all get of `vectors` [members][elements].
    mutating func mean(_ vectors: [[Scalar]], of members: [Int]) throws(CodecError) -> [Scalar] {
        var whole = vectors
        for (i, member) in members.enumerated() where residuals[member].count == whole[i].count {
            Scalar.axpy(&whole[i], residuals[member], 1)
        }
        let mean = try codec.allReduce(whole.map { $0.map { Float($0) } }).map { Scalar($0) }
        if keepsResidual {
            for (i, member) in members.enumerated() {
                residuals[member] = whole[i]
                Scalar.axpy(&residuals[member], mean, -1)
            }
        }
        return mean
    }

    func save(_ writer: inout StateWriter) {
        writer.put(codec.savedState)
        for residual in residuals { writer.put(residual) }
    }
    mutating func restore(_ reader: inout StateReader) throws {
        try codec.restore(savedState: try reader.bytes())
        for i in residuals.indices { residuals[i] = try reader.scalars() }
    }
}

/// How the task's messages stand for the target's. The density is kept; where the size of a message depends on its length alone the codec states
/// it for the target's length, else a sample of up to 2^18 normal draws is really encoded and its bytes an element are kept.
public struct WireScale: Sendable, Equatable {
    /// Of the target's gradient, as one replica sends it.
    public var elements: Int
    /// Of an uncompressed gradient.
    public var bytesPerElement: Double

    public init(elements: Int, bytesPerElement: Double) {
        self.elements = elements
        self.bytesPerElement = bytesPerElement
    }

    public var plainBytes: Double { Double(elements) * bytesPerElement }

    /// Bytes of one message through `codec`, nil for none.
    public func messageBytes(_ codec: (any GradientCodec)?) throws(CodecError) -> Double {
        guard let codec else { return plainBytes }
        let size = codec.encodedSize(count: elements)
        if size.isExact { return Double(size.most) }
        let count = min(elements, 1 << 18)
        var draws = SeededDraws(seed: 1)
        var encoder = codec
        let message = try encoder.encode(draws.normals(count).map { Float($0) })
        return Double(message.count) / Double(max(1, count)) * Double(elements)
    }
}
