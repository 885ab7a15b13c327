import Training

/// Writes a run's state: integers, floating-point numbers and buffers in the machine's own layout.
struct StateWriter {
    private(set) var bytes: [UInt8] = Array("OCSM".utf8) + [2, 0, 0, 0]

    mutating func put(_ value: Int) { withUnsafeBytes(of: Int64(value)) { bytes.append(contentsOf: $0) } }
    mutating func put(_ value: Double) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
    mutating func put(_ values: [UInt8]) {
        put(values.count)
        bytes += values
    }
    mutating func put<Scalar: TrainingScalar>(_ values: [Scalar]) {
        put(values.count)
        values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
    mutating func put(_ values: [Int]) {
        put(values.count)
        for value in values { put(value) }
    }
    mutating func put(_ values: [Int64]) { put(values.map { Int($0) }) }
}

/// Reads what `StateWriter` wrote; every length is checked before anything is taken.
struct StateReader {
    private let all: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) throws(TrainingError) {
        all = bytes
        guard try take(8).elementsEqual(Array("OCSM".utf8) + [2, 0, 0, 0]) else {
            throw TrainingError("these bytes are no saved co-simulation of this version")
        }
    }
    var isAtEnd: Bool { position == all.count }

    private mutating func take(_ count: Int) throws(TrainingError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= all.count - position else { throw TrainingError("the saved state ends after \(all.count) bytes") }
        defer { position += count }
        return all[position..<position + count]
    }
    mutating func integer() throws(TrainingError) -> Int { Int(try take(8).withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }) }
    mutating func double() throws(TrainingError) -> Double { try take(8).withUnsafeBytes { $0.loadUnaligned(as: Double.self) } }
    mutating func bytes() throws(TrainingError) -> [UInt8] { Array(try take(try integer())) }
    mutating func integers(count: Int? = nil) throws(TrainingError) -> [Int] {
        let n = try length(count)
        guard n <= (all.count - position) / 8 else { throw TrainingError("the saved state speaks of \(n) numbers") }
        var values: [Int] = []
        for _ in 0..<n { values.append(try integer()) }
        return values
    }
    mutating func times(count: Int) throws(TrainingError) -> [Int64] { try integers(count: count).map { Int64($0) } }
    mutating func scalars<Scalar: TrainingScalar>(count: Int? = nil) throws(TrainingError) -> [Scalar] {
        let n = try length(count)
        let size = MemoryLayout<Scalar>.stride
        guard n <= (all.count - position) / size else { throw TrainingError("the saved state speaks of \(n) numbers") }
        let raw = try take(n * size)
        return raw.withUnsafeBytes { raw in (0..<n).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Scalar.self) } }
    }
    private mutating func length(_ expected: Int?) throws(TrainingError) -> Int {
        let n = try integer()
        guard n >= 0, expected ?? n == n else {
            throw TrainingError("the saved state has \(n) elements where this run has \(expected ?? 0): it is another run's")
        }
        return n
    }
}
