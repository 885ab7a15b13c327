import Calibration
import Cluster
import Glibc
import Workload

/// Times messages between this process and another: half of a round trip with messages of equal size both ways.
struct LinkMeasurement {
    /// Program and arguments of the other process; "--port N --memory FILE" is added.
    let peer: [String]
    let device: String
    var rule = StopRule()

    init(peer: [String], device: String) {
        self.peer = peer
        self.device = device
        rule.halfWidth = 0.02
    }

    static let sizes = [8, 64, 512, 2048, 8192, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 20, 1 << 22, 1 << 24]

    static func key(_ kind: LinkOrder.Kind, bytes: Int, device: String) -> Measurement.Key {
        Measurement.Key(
            .sendReceive, variant: kind == .socket ? "loopback socket" : "shared memory", device: device, dtype: .fp32,
            shape: .collective(bytes: Double(bytes), ranks: 2, perNode: 2))
    }

    /// - Parameters:
    ///   - end: wall clock at which no further size begins
    ///   - isKnown: sizes that need no timing
    /// - Throws: `CalibrationError` where the other process cannot be started or does not answer.
    func run(until end: Double, _ isKnown: (Measurement.Key) -> Bool) throws(CalibrationError) -> [(Measurement.Key, Repeats)] {
        let wanted = [LinkOrder.Kind.socket, .memory].flatMap { kind in Self.sizes.map { (kind, $0) } }
            .filter { !isKnown(Self.key($0.0, bytes: $0.1, device: device)) }
        guard !wanted.isEmpty else { return [] }
        let listener = try LinkListener()
        let memory = "/dev/shm/orrery-link-\(getpid())-\(listener.port)"
        let shared = try SharedPages(creating: memory)
        defer { unlink(memory) }
        let child = try spawn(peer + ["--port", "\(listener.port)", "--memory", memory])
        defer {
            // It ends by itself when the connection closes; killed only where it hangs.
            kill(child, SIGKILL)
            var status: Int32 = 0
            waitpid(child, &status, 0)
        }
        let socket = try listener.accept()
        return try measure(wanted, socket: socket, shared: shared, until: end)
    }

    func measure(
        _ wanted: [(LinkOrder.Kind, Int)], socket: LinkSocket, shared: SharedPages?, until end: Double
    ) throws(CalibrationError) -> [(Measurement.Key, Repeats)] {
        var found: [(Measurement.Key, Repeats)] = []
        var buffer = [UInt8](repeating: 1, count: LinkPeer.mostBytes)
        let begin = Clocks.wall()
        for (index, (kind, bytes)) in wanted.enumerated() {
            let left = end - Clocks.wall()
            guard left > 0 else { break }
            var share = rule
            share.seconds = max(0.02, left / Double(wanted.count - index))
            var failure: CalibrationError?
            // Short messages go to and fro many times in a lap.
            let batch = max(1, min(32, 65536 / bytes))
            let repeats = Repeats(share, clock: Clocks.wall) {
                guard failure == nil else { return Lap(seconds: 0) }
                do throws(CalibrationError) {
                    try socket.send(LinkOrder(kind: kind, bytes: bytes, repeats: batch))
                    // The order itself is on its way: the first answer would pay for it.
                    let preempted = Clocks.preemptions()
                    let start = Clocks.wall()
                    for _ in 0..<batch {
                        if kind == .socket {
                            try socket.write(buffer, bytes)
                            try socket.read(&buffer, bytes)
                        } else if let shared {
                            try shared.put(buffer, to: 0, bytes)
                            try shared.take(from: 1, into: &buffer, bytes)
                        }
                    }
                    let seconds = (Clocks.wall() - start) / Double(2 * batch)
                    return Lap(seconds: seconds, isDisturbed: Clocks.preemptions() > preempted)
                } catch {
                    failure = error
                    return Lap(seconds: 0)
                }
            }
            if let failure { throw failure }
            if let repeats { found.append((Self.key(kind, bytes: bytes, device: device), repeats)) }
        }
        if found.isEmpty { throw CalibrationError("no time for links: \(Clocks.wall() - begin) s") }
        return found
    }

    private func spawn(_ words: [String]) throws(CalibrationError) -> pid_t {
        var child = pid_t()
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let code = posix_spawn(&child, words[0], nil, nil, &arguments, environ)
        guard code == 0 else { throw CalibrationError("\(words[0]) cannot be started: \(String(cString: strerror(code)))") }
        return child
    }
}
