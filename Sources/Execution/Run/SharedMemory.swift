import Glibc
import Synchronization

/// Memory that several processes see: a file without a name, mapped by each. It is gone when the last of them has gone, however they end.
final class SharedMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let bytes: Int
    /// Inherited by child processes.
    let descriptor: Int32

    /// - Throws: `ExecutionError` where neither /dev/shm nor /tmp has room.
    init(creating bytes: Int) throws(ExecutionError) {
        var reasons: [String] = []
        for folder in ["/dev/shm", "/tmp"] {
            let path = "\(folder)/orrery-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
            let file = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
            guard file >= 0 else {
                reasons.append("\(folder): \(String(cString: strerror(errno)))")
                continue
            }
            unlink(path)
            // Reserves the space, so that a full disk is an error here and not a signal later.
            let status = posix_fallocate(file, 0, bytes)
            if status == 0, let base = Self.map(file, bytes) {
                (self.base, self.bytes, descriptor) = (base, bytes, file)
                return
            }
            reasons.append("\(folder): \(String(cString: strerror(status == 0 ? errno : status)))")
            close(file)
        }
        throw ExecutionError(
            .refused, "no \(bytes >> 20) MB of shared memory: \(reasons.joined(separator: "; ")); shrink the model or the batch")
    }

    /// What a parent process made.
    init(descriptor: Int32) throws(ExecutionError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0, let base = Self.map(descriptor, status.st_size) else {
            throw ExecutionError(.refused, "file descriptor \(descriptor) is no shared memory; orrery execute starts its workers itself")
        }
        (self.base, bytes, self.descriptor) = (base, status.st_size, descriptor)
    }

    private static func map(_ file: Int32, _ bytes: Int) -> UnsafeMutableRawPointer? {
        let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        return address == MAP_FAILED ? nil : address
    }

    deinit {
        munmap(base, bytes)
        close(descriptor)
    }

    private var words: UnsafeMutablePointer<Atomic<UInt64>> { base.assumingMemoryBound(to: Atomic<UInt64>.self) }
    /// Everything that the storing worker wrote before is seen after.
    func load(_ word: Int) -> UInt64 { words[word].load(ordering: .acquiring) }
    func store(_ word: Int, _ value: UInt64) { words[word].store(value, ordering: .releasing) }
    func doubles(_ offset: Int) -> UnsafeMutablePointer<Double> { (base + offset).assumingMemoryBound(to: Double.self) }
    func floats(_ offset: Int) -> UnsafeMutablePointer<Float> { (base + offset).assumingMemoryBound(to: Float.self) }
}

/// Readings of this thread's clocks, seconds.
struct Moment {
    /// Of the wall, and of the processor: time that the thread really ran.
    var wall: Double
    var processor: Double

    static var now: Moment { Moment(wall: seconds(CLOCK_MONOTONIC), processor: seconds(CLOCK_THREAD_CPUTIME_ID)) }
    static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
