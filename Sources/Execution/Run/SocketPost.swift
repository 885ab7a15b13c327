import Calibration
import Glibc

/// A worker's connections: messages of any length to and from the workers it exchanges something with, each with a tag. Whoever waits, for room to
/// write or for something to read, meanwhile takes in what arrives: two that send to each other at once do not block each other.
final class SocketPost {
    private struct Peer {
        let descriptor: Int32
        /// Tag and bytes of the message that is on its way, and how much of both and of its content is here.
        var header: [UInt64] = [0, 0]
        var got = 0
        var payload: [Float] = []
        /// Messages that nobody has asked for yet, by tag, oldest first.
        var inbox: [UInt64: [[Float]]] = [:]

        var bytes: Int { Int(clamping: header[1]) }
    }
    private let me: Int
    private var peers: [Int: Peer] = [:]
    /// Messages to oneself, where two stages that follow each other are one worker's.
    private var own: [UInt64: [[Float]]] = [:]
    private let order: [Int]
    /// Called while nothing happens; throws to end the wait.
    private let look: () throws(ExecutionError) -> Void
    /// Seconds that sends and receives have waited.
    private(set) var waited = 0.0
    private static let headerBytes = 16
    private let header = UnsafeMutablePointer<UInt64>.allocate(capacity: 2)

    /// - Parameters:
    ///   - me: number of the worker
    ///   - descriptors: of the connection to each peer
    init(_ me: Int, _ descriptors: [Int: Int32], look: @escaping () throws(ExecutionError) -> Void) {
        order = descriptors.keys.sorted()
        self.look = look
        self.me = me
        for (peer, descriptor) in descriptors { peers[peer] = Peer(descriptor: descriptor) }
    }
    deinit { header.deallocate() }

    /// Sends so many numbers.
    /// - Throws: `ExecutionError` where the peer has gone, or `look` says so.
    func send(_ values: UnsafeBufferPointer<Float>, tag: UInt64, to peer: Int) throws(ExecutionError) {
        if peer == me { return own[tag, default: []].append(Array(values)) }
        (header[0], header[1]) = (tag, UInt64(4 * values.count))
        try write(UnsafeRawBufferPointer(start: header, count: Self.headerBytes), peer)
        try write(UnsafeRawBufferPointer(values), peer)
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ peer: Int) throws(ExecutionError) {
        guard let descriptor = peers[peer]?.descriptor else { throw ExecutionError(.worker, "no connection to worker \(peer)") }
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        var at = 0
        while at < bytes.count {
            let sent = Glibc.send(descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at, flags)
            if sent > 0 {
                at += sent
            } else if sent == 0 || errno == EAGAIN || errno == EINTR {
                try pause(writing: peer)
            } else {
                throw ExecutionError(.worker, "worker \(peer) does not read: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The next message with the tag.
    /// - Throws: `ExecutionError` where the peer has gone, or `look` says so.
    func receive(tag: UInt64, from peer: Int) throws(ExecutionError) -> [Float] {
        if peer == me {
            guard let message = Self.next(&own, tag) else { throw ExecutionError(.worker, "worker \(me) waits for itself") }
            return message
        }
        while true {
            try takeIn(peer)
            if peers[peer] != nil, let message = Self.next(&peers[peer, default: Peer(descriptor: -1)].inbox, tag) { return message }
            try pause(writing: nil)
        }
    }

    private static func next(_ inbox: inout [UInt64: [[Float]]], _ tag: UInt64) -> [Float]? {
        guard var list = inbox[tag], !list.isEmpty else { return nil }
        let message = list.removeFirst()
        inbox[tag] = list.isEmpty ? nil : list
        return message
    }

    /// Waits until something can be read, or written to the peer; takes in what has come from anybody.
    private func pause(writing peer: Int?) throws(ExecutionError) {
        let start = Moment.seconds(CLOCK_MONOTONIC)
        var polls = order.map { number in
            pollfd(fd: peers[number]?.descriptor ?? -1, events: Int16(POLLIN) | (number == peer ? Int16(POLLOUT) : 0), revents: 0)
        }
        let count = poll(&polls, nfds_t(polls.count), 50)
        waited += Moment.seconds(CLOCK_MONOTONIC) - start
        if count <= 0 { return try look() }
        for (number, result) in zip(order, polls) where result.revents & Int16(POLLIN) != 0 { try takeIn(number) }
    }

    private func takeIn(_ number: Int) throws(ExecutionError) {
        // Moved out and back, so that nothing is copied.
        guard var peer = peers.removeValue(forKey: number) else { throw ExecutionError(.worker, "no connection to worker \(number)") }
        defer { peers[number] = peer }
        while true {
            let inHeader = peer.got < Self.headerBytes
            let got =
                inHeader
                ? peer.header.withUnsafeMutableBytes { Self.read(peer.descriptor, $0, from: peer.got) }
                : peer.payload.withUnsafeMutableBytes { Self.read(peer.descriptor, $0, from: peer.got - Self.headerBytes) }
            if got < 0, errno == EINTR { continue }
            if got < 0, errno == EAGAIN { return }
            guard got > 0 else { throw ExecutionError(.aborted, "worker \(number) hung up") }
            peer.got += got
            if inHeader, peer.got == Self.headerBytes {
                let count = peer.bytes / 4
                peer.payload = [Float](unsafeUninitializedCapacity: count) { $1 = count }
            }
            guard peer.got >= Self.headerBytes, peer.got == Self.headerBytes + peer.bytes else { continue }
            peer.inbox[peer.header[0], default: []].append(peer.payload)
            (peer.payload, peer.got, peer.header) = ([], 0, [0, 0])
        }
    }

    private static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer, from: Int) -> Int {
        guard let base = buffer.baseAddress, from < buffer.count else { return 0 }
        return recv(descriptor, base + from, buffer.count - from, Int32(MSG_DONTWAIT))
    }
}

extension SocketPost {
    /// Sums over the members: a ring reduce-scatter, then a ring all-gather (Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009). Each part is
    /// summed along the ring and then handed on, so that all hold the same bits.
    /// - Parameters:
    ///   - values: of this worker; becomes the sum
    ///   - members: of the ring, in its order
    ///   - me: this worker's place among them
    func allReduce(_ values: inout [Float], _ members: [Int], me: Int) throws(ExecutionError) {
        let n = members.count
        let (next, previous) = (members[(me + 1) % n], members[(me + n - 1) % n])
        func part(_ index: Int) -> Range<Int> { RunPlan.part(values.count, (index % n + n) % n, of: n) }
        for phase in 0..<2 {
            for step in 0..<n - 1 {
                let (outgoing, incoming) = (part(me + phase - step), part(me + phase - step - 1))
                let tag = SocketTag.ring(phase: phase, step: step)
                try sendPart(values, outgoing, tag, to: next)
                let message = try receive(tag: tag, from: previous)
                guard message.count == incoming.count else {
                    throw ExecutionError(.worker, "worker \(previous) sent a part of another size")
                }
                if phase == 0 {
                    values.withUnsafeMutableBufferPointer { target in
                        message.withUnsafeBufferPointer { part in
                            for i in part.indices { target[incoming.lowerBound + i] += part[i] }
                        }
                    }
                } else {
                    values.withUnsafeMutableBufferPointer { target in
                        if let base = target.baseAddress { (base + incoming.lowerBound).update(from: message, count: message.count) }
                    }
                }
            }
        }
    }

    private func sendPart(_ values: [Float], _ range: Range<Int>, _ tag: UInt64, to peer: Int) throws(ExecutionError) {
        let outcome = values.withUnsafeBufferPointer { buffer in
            Result { () throws(ExecutionError) in try send(UnsafeBufferPointer(rebasing: buffer[range]), tag: tag, to: peer) }
        }
        try outcome.get()
    }

    func send(_ values: [Float], tag: UInt64, to peer: Int) throws(ExecutionError) { try sendPart(values, 0..<values.count, tag, to: peer) }

    /// Every member's message, in the order of the members, handed on around the ring.
    func gather(_ own: [Float], _ members: [Int], me: Int) throws(ExecutionError) -> [[Float]] {
        let n = members.count
        let (next, previous) = (members[(me + 1) % n], members[(me + n - 1) % n])
        var all = [[Float]](repeating: [], count: n)
        all[me] = own
        for step in 0..<n - 1 {
            let tag = SocketTag.ring(phase: 2, step: step)
            try send(all[(me - step + n) % n], tag: tag, to: next)
            all[(me - step - 1 + 2 * n) % n] = try receive(tag: tag, from: previous)
        }
        return all
    }
}

/// What tells the messages between two workers apart.
enum SocketTag {
    static func box(_ number: Int) -> UInt64 { UInt64(number) }
    static func ring(phase: Int, step: Int) -> UInt64 { 1 << 40 | UInt64(phase) << 16 | UInt64(step) }
    static let tied: UInt64 = 2 << 40
}

/// Bytes as a message of numbers: how many, then the bytes.
enum SocketMessage {
    static func packed(_ bytes: [UInt8]) -> [Float] {
        let count = 2 + (bytes.count + 3) / 4
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.storeBytes(of: UInt64(bytes.count), as: UInt64.self)
            raw.baseAddress.map { ($0 + 8).copyMemory(from: bytes, byteCount: bytes.count) }
            initialized = count
        }
    }
    static func read(_ message: [Float], _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try message.withUnsafeBytes { raw in
            guard raw.count >= 8 else { throw ExecutionError(.worker, "a message without a length") }
            let count = Int(clamping: raw.loadUnaligned(as: UInt64.self))
            guard count <= raw.count - 8 else { throw ExecutionError(.worker, "a message shorter than it says") }
            try body(UnsafeRawBufferPointer(rebasing: raw[8..<8 + count]))
        }
    }
}

/// TCP connections within this machine.
enum Loopback {
    /// Both ends of a new connection, without delays for short messages.
    /// - Throws: `ExecutionError` where the system gives none.
    static func pair() throws(ExecutionError) -> (Int32, Int32) {
        do throws(CalibrationError) {
            let listener = try LinkListener()
            let near = try LinkSocket(connectingTo: "127.0.0.1", port: listener.port)
            let far = try listener.accept()
            // Ends that outlive the two values, and that worker processes inherit.
            let ends = (dup(near.descriptor), dup(far.descriptor))
            guard ends.0 >= 0, ends.1 >= 0 else { throw CalibrationError("no connection: \(String(cString: strerror(errno)))") }
            return ends
        } catch { throw ExecutionError(.refused, "no connection between workers: \(error.message)") }
    }
}
