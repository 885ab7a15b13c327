/// What an optimizer must remember between steps.
public struct OptimizerState<Scalar: TrainingScalar>: Equatable, Sendable {
    /// Steps taken.
    public var step: Int
    public var tensors: [TensorState<Scalar>]

    /// Little-endian: "OSTA", version, scalar size, step, tensors; each tensor its slots, each slot its length and entries.
    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = Array("OSTA".utf8) + [1, UInt8(MemoryLayout<Scalar>.size)]
        bytes.appendInteger(Int64(step))
        bytes.appendInteger(Int64(tensors.count))
        for tensor in tensors {
            bytes.appendInteger(Int64(tensor.real.count))
            bytes.appendInteger(Int64(tensor.coded.count))
            for slot in tensor.real {
                bytes.appendInteger(Int64(slot.count))
                slot.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
            for slot in tensor.coded {
                bytes.appendInteger(Int64(slot.count))
                bytes += slot
            }
        }
        return bytes
    }

    public init(step: Int, tensors: [TensorState<Scalar>]) {
        self.step = step
        self.tensors = tensors
    }

    /// - Throws: `TrainingError` for bytes that are no such state, cut off, or of the other precision.
    public init(serialized bytes: [UInt8]) throws(TrainingError) {
        var reader = StateReader(bytes: bytes)
        guard try reader.take(4).elementsEqual("OSTA".utf8) else { throw TrainingError("these bytes are no optimizer state") }
        let size = MemoryLayout<Scalar>.size
        guard try reader.take(2).elementsEqual([1, UInt8(size)]) else {
            throw TrainingError("the optimizer state has another version, or scalars that do not have \(size) bytes")
        }
        step = try reader.count(limit: Int.max)
        tensors = []
        for _ in 0..<(try reader.count(limit: bytes.count)) {
            let real = try reader.count(limit: bytes.count)
            let coded = try reader.count(limit: bytes.count)
            var tensor = TensorState<Scalar>(real: [], coded: [])
            for _ in 0..<real {
                let slot = try reader.take(try reader.count(limit: bytes.count / size) * size)
                tensor.real.append(
                    slot.withUnsafeBytes { raw in
                        (0..<(raw.count / size)).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Scalar.self) }
                    })
            }
            for _ in 0..<coded { tensor.coded.append(Array(try reader.take(try reader.count(limit: bytes.count)))) }
            tensors.append(tensor)
        }
        guard reader.position == bytes.count else {
            throw TrainingError("\(bytes.count - reader.position) bytes follow the optimizer state")
        }
    }
}

extension TensorState {
    /// The part that belongs to elements `range`.
    func cut(_ range: Range<Int>, _ slots: [SlotLayout], _ codedSlots: [SlotLayout]) -> TensorState {
        TensorState(
            real: zip(real, slots).map { Array($0[Self.entries($1, range, $0.count)]) },
            coded: zip(coded, codedSlots).map { Array($0[Self.entries($1, range, $0.count)]) })
    }

    private static func entries(_ layout: SlotLayout, _ range: Range<Int>, _ count: Int) -> Range<Int> {
        switch layout {
        case .elements: range
        case .blocks(let size): (range.lowerBound / size)..<min(count, (range.upperBound + size - 1) / size)
        case .fixed: 0..<count
        }
    }
}

private struct StateReader {
    let bytes: [UInt8]
    var position = 0

    mutating func take(_ count: Int) throws(TrainingError) -> ArraySlice<UInt8> {
        guard count <= bytes.count - position else { throw TrainingError("the optimizer state ends after \(bytes.count) bytes") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func count(limit: Int) throws(TrainingError) -> Int {
        let raw = Int64(littleEndian: try take(8).withUnsafeBytes { $0.loadUnaligned(as: Int64.self) })
        guard raw >= 0, raw <= limit else { throw TrainingError("the optimizer state speaks of \(raw) entries") }
        return Int(raw)
    }
}

extension [UInt8] {
    fileprivate mutating func appendInteger(_ value: Int64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
