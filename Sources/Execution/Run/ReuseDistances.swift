import Glibc
import Synchronization

/// How much other memory is touched between two uses of a buffer: what decides from which cache it comes (the stack distance of Mattson et al., IBM
/// Systems Journal 9, 1970, with whole buffers for lines, a buffer's own bytes included).
///
/// Buffers are told apart by a mark in their first element, which copies keep, so that it does not matter where they lie. One without a mark that is
/// read was made outside; one that is written takes memory that something else has left, as far away as all that the instruction before touched.
final class ReuseDistances: Sendable {
    fileprivate struct State {
        var next: UInt32 = 1
        /// Buffers in the order of their last use, the latest last.
        var order: [(mark: UInt32, bytes: Double)] = []
        /// Of each call since the last drain: log2 of bytes.
        var calls: [Double] = []
    }
    private let state = Mutex(State())
    /// log2 of the distances between which it matters: in the second cache all is near, beyond twice the last cache all is far.
    private let nearest: Double
    private let limit: Double
    /// As a power of two.
    var farthest: Int { Int(limit.rounded()) }

    init(_ machine: Machine) {
        nearest = log2(machine.secondCache)
        limit = log2(2 * machine.lastCache)
    }

    /// A buffer with a mark of its own.
    func marked(_ count: Int) -> [Float] {
        var buffer = [Float](unsafeUninitializedCapacity: count) { $1 = count }
        mark(&buffer)
        return buffer
    }
    private func mark(_ buffer: inout [Float]) {
        guard !buffer.isEmpty else { return }
        buffer[0] = Float(
            bitPattern: state.withLock { state in
                state.next += 1
                return state.next
            })
    }

    /// Every buffer counts as far away.
    func forget() { state.withLock { $0.order.removeAll() } }

    /// log2 of the mean distance of each call since the last time.
    func drain() -> [Double] {
        state.withLock { state in
            defer { state.calls.removeAll(keepingCapacity: true) }
            return state.calls
        }
    }

    /// A call on these buffers; those that it writes are given with what they hold.
    func call(_ buffers: [[Float]]) {
        let used = buffers.filter { !$0.isEmpty }.map { (mark: $0[0].bitPattern, bytes: 4 * Double($0.count)) }
        state.withLock { state in
            var (weighted, bytes) = (0.0, 0.0)
            for buffer in used {
                weighted += buffer.bytes * min(max(log2(state.distance(buffer.mark) + buffer.bytes), nearest), limit)
                bytes += buffer.bytes
            }
            state.calls.append(bytes > 0 ? weighted / bytes : nearest)
            for buffer in used { state.use(buffer.mark, buffer.bytes) }
        }
    }
}

extension ReuseDistances.State {
    /// Bytes of the buffers used since this one was; infinite for one that never was.
    fileprivate func distance(_ mark: UInt32) -> Double {
        var sum = 0.0
        for entry in order.reversed() {
            if entry.mark == mark { return sum }
            sum += entry.bytes
        }
        return .infinity
    }
    fileprivate mutating func use(_ mark: UInt32, _ bytes: Double) {
        if let place = order.lastIndex(where: { $0.mark == mark }) { order.remove(at: place) }
        order.append((mark, bytes))
        // What lies further back than any cache need not be kept.
        if order.count > 4096 { order.removeFirst(2048) }
    }
}
