/// A base and what changed since, block by block.
///
/// A save compares the snapshot with the last one and keeps the blocks that differ in any byte; a restore lays the increments over the base in order, so
/// what comes back is bit-exact. After `every` increments, or where a part has another length, the next save is a base again.
public struct IncrementalCheckpoints: Sendable {
    /// Blocks that changed between two snapshots.
    public struct Increment: Equatable, Sendable {
        /// Ascending by part and offset.
        public var blocks: [Block]
        /// Bytes of one part from `offset` on.
        public struct Block: Equatable, Sendable {
            /// Index among the snapshot's parts, first byte, and what stands there.
            public var part: Int
            public var offset: Int
            public var bytes: [UInt8]
        }
        /// Of all blocks.
        public var size: Int { blocks.reduce(0) { $0 + $1.bytes.count } }
    }

    /// What a save wrote.
    public struct Written: Equatable, Sendable {
        /// Whether all was written, and how much.
        public var isBase: Bool
        public var bytes: Int
        /// [parts] share of the bytes that lies in changed blocks; 1 for a base.
        public var changed: [Double]
        /// The same of all parts together: what a simulated increment's size is multiplied by.
        public var share: Double
    }

    /// Length of a block; increments between two bases.
    public let blockBytes: Int
    public let every: Int
    /// What is kept: the last whole snapshot, and what changed since, save by save.
    public private(set) var base: TrainingSnapshot?
    public private(set) var increments: [Increment] = []
    private var last: TrainingSnapshot?

    /// - Throws: `TrainingError` for blocks or intervals below one.
    public init(blockBytes: Int = 4096, every: Int = 10) throws(TrainingError) {
        guard blockBytes >= 1, every >= 1 else {
            throw TrainingError("blocks of \(blockBytes) bytes, a base every \(every): both must be 1 or more")
        }
        self.blockBytes = blockBytes
        self.every = every
    }

    /// Saves a snapshot.
    /// - Complexity: O(bytes).
    @discardableResult
    public mutating func save(_ snapshot: TrainingSnapshot) -> Written {
        defer { last = snapshot }
        guard let last, last.format == snapshot.format, increments.count < every, last.bytes.map(\.count) == snapshot.bytes.map(\.count)
        else {
            base = snapshot
            increments = []
            return Written(isBase: true, bytes: snapshot.size, changed: snapshot.bytes.map { $0.isEmpty ? 0 : 1 }, share: 1)
        }
        let increment = Increment(blocks: Self.difference(last, snapshot, blockBytes))
        increments.append(increment)
        let changed = snapshot.bytes.indices.map { part in
            let size = increment.blocks.reduce(0) { $0 + ($1.part == part ? $1.bytes.count : 0) }
            return snapshot.bytes[part].isEmpty ? 0 : Double(size) / Double(snapshot.bytes[part].count)
        }
        return Written(
            isBase: false, bytes: increment.size, changed: changed, share: Double(increment.size) / Double(max(1, snapshot.size)))
    }

    private static func difference(_ old: TrainingSnapshot, _ new: TrainingSnapshot, _ length: Int) -> [Increment.Block] {
        var blocks: [Increment.Block] = []
        for part in new.bytes.indices {
            let (a, b) = (old.bytes[part], new.bytes[part])
            a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    for start in stride(from: 0, to: b.count, by: length) {
                        let range = start..<min(start + length, b.count)
                        guard !a[range].elementsEqual(b[range]) else { continue }
                        blocks.append(Increment.Block(part: part, offset: start, bytes: Array(b[range])))
                    }
                }
            }
        }
        return blocks
    }

    /// The snapshot of the last save, or of an earlier one since the base.
    /// - Parameter count: increments that are laid over the base; nil: all.
    /// - Throws: `TrainingError` where nothing was saved, or so many increments are not there.
    public func restore(_ count: Int? = nil) throws(TrainingError) -> TrainingSnapshot {
        guard let base else { throw TrainingError("nothing was saved yet") }
        let wanted = count ?? increments.count
        guard (0...increments.count).contains(wanted) else {
            throw TrainingError("\(wanted) increments are asked for, and \(increments.count) lie over the base")
        }
        var bytes = base.bytes
        for increment in increments.prefix(wanted) {
            for block in increment.blocks {
                bytes[block.part].replaceSubrange(block.offset..<block.offset + block.bytes.count, with: block.bytes)
            }
        }
        return TrainingSnapshot(bytes: bytes, format: base.format)
    }
}
