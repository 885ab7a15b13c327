import Calibration
import Glibc
import Synchronization

/// The other end of a measured link: answers messages with messages of the same size, over a socket or through shared memory.
public enum LinkPeer {
    static let mostBytes = 1 << 24
    static let patience = 10.0

    /// Connects to the measuring process and serves it until it hangs up.
    /// - Parameters:
    ///   - host: IPv4 address of the measuring process
    ///   - memory: file that both map; empty where the processes share none
    /// - Throws: `CalibrationError` where the connection cannot be made or breaks off in the middle of a message.
    public static func serve(host: String = "127.0.0.1", port: Int, memory: String) throws(CalibrationError) {
        let socket = try LinkSocket(connectingTo: host, port: port)
        let shared = memory.isEmpty ? nil : try SharedPages(opening: memory)
        var buffer = [UInt8](repeating: 0, count: mostBytes)
        while let order = try socket.order() {
            guard order.bytes <= mostBytes else {
                throw CalibrationError("a message of \(order.bytes) bytes: at most \(mostBytes) are served")
            }
            for _ in 0..<order.repeats {
                switch order.kind {
                case .socket:
                    try socket.read(&buffer, order.bytes)
                    try socket.write(buffer, order.bytes)
                case .memory:
                    guard let shared else { throw CalibrationError("no memory is shared") }
                    try shared.take(from: 0, into: &buffer, order.bytes)
                    try shared.put(buffer, to: 1, order.bytes)
                }
            }
        }
    }
}

/// What the measuring process asks of its peer: `repeats` answers to messages of `bytes`.
struct LinkOrder {
    enum Kind: UInt64 { case socket = 1, memory = 2 }
    var kind: Kind
    var bytes: Int
    var repeats: Int
}

/// A TCP connection without delays for small messages.
final class LinkSocket {
    let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: Int(LinkPeer.patience), tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        // A peer that has gone must be an error, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
    }
    deinit { close(descriptor) }

    convenience init(connectingTo host: String, port: Int) throws(CalibrationError) {
        guard var address = LinkListener.address(host, port) else {
            throw CalibrationError("\(host):\(port) is no address; write an IPv4 address and a port of 1 to 65535")
        }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard descriptor >= 0, code == 0 else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw CalibrationError("\(host):\(port) cannot be reached: \(reason)")
        }
        self.init(descriptor)
    }

    func write(_ bytes: [UInt8], _ count: Int) throws(CalibrationError) {
        var start = 0
        while start < count {
            let sent = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + start }, count - start) }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { throw CalibrationError("the other process does not read: \(String(cString: strerror(errno)))") }
            start += sent
        }
    }

    func read(_ bytes: inout [UInt8], _ count: Int) throws(CalibrationError) {
        guard try readOrEnd(&bytes, count) else { throw CalibrationError("the other process hung up") }
    }

    /// False where the other end hung up before the first byte.
    private func readOrEnd(_ bytes: inout [UInt8], _ count: Int) throws(CalibrationError) -> Bool {
        var start = 0
        while start < count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress.map { $0 + start }, count - start) }
            if got < 0, errno == EINTR { continue }
            if got == 0, start == 0 { return false }
            guard got > 0 else { throw CalibrationError("the other process does not answer") }
            start += got
        }
        return true
    }

    func send(_ order: LinkOrder) throws(CalibrationError) {
        var header = [UInt8](repeating: 0, count: 24)
        header.withUnsafeMutableBytes { raw in
            raw.storeBytes(of: order.kind.rawValue, toByteOffset: 0, as: UInt64.self)
            raw.storeBytes(of: UInt64(order.bytes), toByteOffset: 8, as: UInt64.self)
            raw.storeBytes(of: UInt64(order.repeats), toByteOffset: 16, as: UInt64.self)
        }
        try write(header, header.count)
    }

    /// Nil where the other end hung up.
    func order() throws(CalibrationError) -> LinkOrder? {
        var header = [UInt8](repeating: 0, count: 24)
        guard try readOrEnd(&header, header.count) else { return nil }
        let words = header.withUnsafeBytes { raw in (0..<3).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) } }
        guard let kind = LinkOrder.Kind(rawValue: words[0]), let bytes = Int(exactly: words[1]), let repeats = Int(exactly: words[2]) else {
            throw CalibrationError("an order that nobody knows: is the other process another program?")
        }
        return LinkOrder(kind: kind, bytes: bytes, repeats: repeats)
    }
}

/// Waits for one connection.
final class LinkListener {
    private let descriptor: Int32
    let port: Int

    /// - Parameter port: 0 for any that is free
    init(host: String = "127.0.0.1", port: Int = 0) throws(CalibrationError) {
        guard var address = Self.address(host, port) else { throw CalibrationError("\(host):\(port) is no address to listen at") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        self.port = Int(UInt16(bigEndian: address.sin_port))
        guard isOpen else { throw CalibrationError("cannot listen at \(host):\(port): \(String(cString: strerror(errno)))") }
    }
    deinit { if descriptor >= 0 { close(descriptor) } }

    /// - Throws: `CalibrationError` where nobody connects within ten seconds.
    func accept() throws(CalibrationError) -> LinkSocket {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, Int32(LinkPeer.patience * 1000)) == 1 else {
            throw CalibrationError("no process connected within \(Int(LinkPeer.patience)) s")
        }
        let connection = Glibc.accept(descriptor, nil, nil)
        guard connection >= 0 else { throw CalibrationError("no connection: \(String(cString: strerror(errno)))") }
        return LinkSocket(connection)
    }

    static func address(_ host: String, _ port: Int) -> sockaddr_in? {
        guard let port = UInt16(exactly: port) else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
        return address
    }
}

/// Memory that two processes map: a mailbox for each direction. Byte counts and turns are written by one side each.
final class SharedPages {
    private let base: UnsafeMutableRawPointer
    private static let header = 128
    private static let size = header + 2 * LinkPeer.mostBytes
    private var turns = [UInt64](repeating: 0, count: 2)

    convenience init(creating path: String) throws(CalibrationError) {
        try self.init(path, flags: O_RDWR | O_CREAT | O_EXCL)
    }
    convenience init(opening path: String) throws(CalibrationError) { try self.init(path, flags: O_RDWR) }

    private init(_ path: String, flags: Int32) throws(CalibrationError) {
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw CalibrationError("\(path) cannot be shared: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard ftruncate(descriptor, Self.size) == 0,
            let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { throw CalibrationError("\(path) cannot be shared: \(String(cString: strerror(errno)))") }
        base = memory
    }
    deinit { munmap(base, Self.size) }

    private func turn(_ box: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (base + 64 * box).assumingMemoryBound(to: Atomic<UInt64>.self)
    }
    private func place(_ box: Int) -> UnsafeMutableRawPointer { base + Self.header + box * LinkPeer.mostBytes }

    /// Puts a message into a mailbox.
    func put(_ bytes: [UInt8], to box: Int, _ count: Int) throws(CalibrationError) {
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { place(box).copyMemory(from: start, byteCount: count) }
        }
        turns[box] += 1
        turn(box).pointee.store(turns[box], ordering: .releasing)
    }

    /// Takes the next message out of a mailbox.
    /// - Throws: `CalibrationError` where none comes within ten seconds.
    func take(from box: Int, into bytes: inout [UInt8], _ count: Int) throws(CalibrationError) {
        turns[box] += 1
        var spins = 0
        var deadline = 0.0
        while turn(box).pointee.load(ordering: .acquiring) < turns[box] {
            spins += 1
            guard spins % 2000 == 0 else { continue }
            sched_yield()
            if deadline == 0 { deadline = Clocks.wall() + LinkPeer.patience }
            guard Clocks.wall() < deadline else { throw CalibrationError("the other process does not answer") }
        }
        bytes.withUnsafeMutableBytes { target in
            if let start = target.baseAddress { start.copyMemory(from: place(box), byteCount: count) }
        }
    }
}
