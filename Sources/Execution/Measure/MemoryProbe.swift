import Glibc
import Kernels

/// How fast memory is at this moment. On a virtual machine others share the memory's channels, and its speed changes by a third within seconds; the
/// shapes of one kernel are timed minutes apart. A short copy beside each timing tells how slow memory was just then, beside the first
/// seconds of the calibration.
final class MemoryProbe {
    private var region: [UInt8]
    private var turn = 0
    private var recent: [Double] = []
    /// Seconds to read and write a byte each, over two, in the beginning.
    private(set) var secondsPerByte = 0.0

    private static let slice = 1 << 19
    private static let memory = 9

    /// - Parameters:
    ///   - footprint: bytes, beyond the last cache
    ///   - seconds: how long the beginning lasts
    init(footprint: Double, seconds: Double) {
        region = [UInt8](repeating: 1, count: max(4, Int(footprint) / Self.slice) * Self.slice)
        let begin = Clocks.wall()
        var all: [Double] = []
        while all.count < 3 * Self.memory || Clocks.wall() - begin < seconds { all.append(copy()) }
        secondsPerByte = all.sorted()[all.count / 2]
    }

    /// Copies the next slice of one half of the region into the other; seconds a byte moved.
    private func copy() -> Double {
        let slices = region.count / Self.slice
        let half = slices / 2
        turn = (turn + 1) % half
        let (from, to) = (turn * Self.slice, (half + turn) * Self.slice)
        let start = Clocks.thread()
        region.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            memcpy(base + to, base + from, Self.slice)
        }
        return (Clocks.thread() - start) / Double(2 * Self.slice)
    }

    /// Memory's seconds now over those in the beginning: the median of the last copies, one of them made now.
    func slowness() -> Double {
        recent.append(copy())
        if recent.count > Self.memory { recent.removeFirst() }
        let now = recent.sorted()[recent.count / 2]
        return now > 0 && secondsPerByte > 0 ? now / secondsPerByte : 1
    }

    /// Before a new timing: what was seen a while ago counts no more.
    func begin() { recent = (0..<Self.memory / 2).map { _ in copy() } }
}

/// Whether the core runs at its usual speed at this moment. On a virtual machine the other half of the core may belong to somebody else, who now and
/// then halves its speed for seconds, and no clock of the system tells. A few microseconds of arithmetic beside each lap do.
final class CoreProbe {
    private let backend: CPUBackend
    private let x: [Float]
    private var y: [Float]
    private var recent: [Double] = []
    private var next = 0
    private var usual = Double.infinity
    private var sinceSorted = 0

    private static let memory = 512
    /// Over the usual time. Another guest of the core doubles it; the clock of the core, which moves by a fifth with the load, must not count.
    private static let limit = 1.5

    init(_ backend: CPUBackend) {
        self.backend = backend
        x = (0..<1024).map { Float($0 % 17) * 0.1 - 0.8 }
        y = backend.zeros(1024)
        for _ in 0..<200 { _ = isSlow() }
    }

    /// Times the arithmetic once; the usual time is the lower fifth of the last ones.
    func isSlow() -> Bool {
        let start = Clocks.thread()
        for _ in 0..<6 { backend.activate(.gelu, x, into: &y) }
        let seconds = Clocks.thread() - start
        if recent.count < Self.memory {
            recent.append(seconds)
        } else {
            recent[next] = seconds
            next = (next + 1) % Self.memory
        }
        sinceSorted += 1
        if sinceSorted >= 64 || recent.count < 64 {
            sinceSorted = 0
            usual = recent.sorted()[recent.count / 5]
        }
        return seconds > Self.limit * usual
    }
}
