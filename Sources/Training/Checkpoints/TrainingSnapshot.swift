/// Everything that training must have to go on, as bytes in the formats in which it is stored: the working copy of the parameters, their fp32 master
/// where the copy is narrower, and the optimizer's state.
public struct TrainingSnapshot: Equatable, Sendable {
    /// A kind of content; blocks of different parts change at different paces.
    public enum Part: Int, Sendable, CaseIterable { case working, master, optimizer }

    /// [parts] bytes, little-endian; the master is empty where the working copy is fp32.
    public private(set) var bytes: [[UInt8]]
    /// Of the working copy.
    public let format: StorageFormat

    /// - Parameters:
    ///   - weights: master parameters [tensors] and the format of their working copy; 8-bit formats keep no scale of their own, so they are refused.
    ///   - state: of their optimizer.
    /// - Throws: `TrainingError` for a format that cannot be stored element by element.
    public init(_ weights: MasterWeights, _ state: OptimizerState<Float>) throws(TrainingError) {
        format = weights.format
        guard format == .fp32 || format == .bf16 else {
            throw TrainingError("a working copy in \(format) is made anew from its master; save it as bf16 or fp32")
        }
        var working: [UInt8] = []
        var master: [UInt8] = []
        for tensor in weights.working {
            if format == .fp32 {
                tensor.values.withUnsafeBytes { working.append(contentsOf: $0) }
            } else {
                // bf16 is the upper half of the rounded value.
                let codes = tensor.values.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) }
                codes.withUnsafeBytes { working.append(contentsOf: $0) }
            }
        }
        if format != .fp32 { for tensor in weights.master { tensor.values.withUnsafeBytes { master.append(contentsOf: $0) } } }
        bytes = [working, master, state.serialized()]
    }

    init(bytes: [[UInt8]], format: StorageFormat) { (self.bytes, self.format) = (bytes, format) }

    /// Bytes of all parts.
    public var size: Int { bytes.reduce(0) { $0 + $1.count } }

    /// The parameters and the optimizer's state, bit for bit.
    /// - Parameter shapes: of the tensors that were saved.
    /// - Throws: `TrainingError` for other shapes, or bytes that are no state.
    public func restored(shapes: [[Int]]) throws(TrainingError) -> (weights: MasterWeights, state: OptimizerState<Float>) {
        let counts = shapes.map { $0.reduce(1, *) }
        let stored = format == .fp32 ? bytes[Part.working.rawValue] : bytes[Part.master.rawValue]
        guard stored.count == 4 * counts.reduce(0, +) else {
            throw TrainingError("\(stored.count) bytes of parameters are saved, and the shapes hold \(4 * counts.reduce(0, +))")
        }
        var tensors: [Tensor<Float>] = []
        var position = 0
        for (shape, count) in zip(shapes, counts) {
            var tensor = Tensor<Float>(zeros: shape)
            tensor.values = stored.withUnsafeBytes { raw in
                (0..<count).map { raw.loadUnaligned(fromByteOffset: position + 4 * $0, as: Float.self) }
            }
            tensors.append(tensor)
            position += 4 * count
        }
        return (MasterWeights(tensors, format: format), try OptimizerState(serialized: bytes[Part.optimizer.rawValue]))
    }

    /// Share of the elements of the working copy that differ.
    public func changedElements(since earlier: TrainingSnapshot) -> Double {
        let (new, old) = (bytes[0], earlier.bytes[0])
        let width = format.bytes
        guard new.count == old.count, !new.isEmpty else { return 1 }
        var changed = 0
        for start in stride(from: 0, to: new.count, by: width)
        where (start..<min(start + width, new.count)).contains(where: { new[$0] != old[$0] }) { changed += 1 }
        return Double(changed) * Double(width) / Double(new.count)
    }
}
