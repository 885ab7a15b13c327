import Compression
import Glibc
import Kernels
import Training

/// Times one piece in isolation, with operands of its own and by the processor's clock: what other programs take does not count.
struct PieceTrial {
    private enum Work {
        case kernels([KernelTrial<CPUBackend>])
        case share([Float])
        case fetch([Float])
        case reduce(Int, replicas: Int)
        case message(LoopedMessage)
        case encode(any GradientCodec, [Float])
        case decode(any GradientCodec, [UInt8], [Float])
    }
    private var work: Work
    private let memory: RunMemory
    private let worker: Int
    private let cpu: CPUBackend
    init(_ piece: Piece, _ plan: RunPlan, _ memory: RunMemory, worker: Int) throws {
        self.memory = memory
        self.worker = worker
        cpu = try CPUBackend(threads: 1)
        func numbers(_ n: Int) -> [Float] {
            var draws = SeededDraws(seed: 7)
            // Repeated blocks: drawing them all would take longer than the trial.
            let block = draws.normals(min(n, 1 << 16)).map { Float($0) }
            return (0..<n).map { block[$0 & 0xFFFF % block.count] }
        }
        switch piece {
        case .kernel(let call, let reuse):
            // Operands are rotated through as much memory as lies between two uses of them in a step.
            let copies = min(24, max(1, Int((Double(1 << reuse) / max(1, call.bytes)).rounded())))
            work = .kernels((0..<copies).map { [cpu] in KernelTrial(call, on: cpu, seed: UInt64($0 + 1)) })
        case .share(let n): work = .share([Float](repeating: 1, count: n))
        case .fetch(let n): work = .fetch([Float](repeating: 1, count: n))
        case .reduce(let n, let replicas): work = .reduce(n, replicas: replicas)
        case .send(let n), .receive(let n): work = .message(try LoopedMessage(n))
        case .encode(let n):
            guard let codec = plan.spec.codec?.compression.codec else { throw ExecutionError(.refused, "no codec to time") }
            work = .encode(codec, numbers(n))
        case .decode(let n):
            guard var codec = plan.spec.codec?.compression.codec else { throw ExecutionError(.refused, "no codec to time") }
            let message = try codec.encode(numbers(n))
            work = .decode(codec, message, [Float](repeating: 0, count: n))
        }
    }

    private mutating func run(_ index: Int) throws {
        switch work {
        case .kernels(var trials):
            // Moved out and back, so that operands are not copied.
            work = .reduce(0, replicas: 0)
            trials[index % trials.count].run()
            work = .kernels(trials)
        case .share(let values): memory.slot(worker).update(from: values, count: values.count)
        case .fetch(var values):
            work = .reduce(0, replicas: 0)
            let source = memory.slot((worker + 1) % memory.workers)
            values.withUnsafeMutableBufferPointer { $0.baseAddress?.update(from: source, count: $0.count) }
            work = .fetch(values)
        case .reduce(let n, let replicas):
            guard n > 0 else { return }
            let parts = (0..<replicas).map { UnsafePointer(memory.slot(($0 + worker) % memory.workers)) }
            sumParts(parts, 0..<n, into: memory.sum(worker))
        case .message(let message): try message.run()
        case .encode(var codec, let values):
            work = .reduce(0, replicas: 0)
            _ = try codec.encode(values)
            work = .encode(codec, values)
        case .decode(let codec, let message, var sum):
            work = .reduce(0, replicas: 0)
            try message.withUnsafeBytes { try addDecoded(codec, $0, to: &sum, on: cpu) }
            work = .decode(codec, message, sum)
        }
    }

    /// Median of the processor seconds of a run, over `duration` seconds of the wall and at least three runs.
    mutating func seconds(for duration: Double) throws -> Double {
        try run(0)
        var start = Moment.now
        try run(1)
        let once = max(1e-8, Moment.now.processor - start.processor)
        // Many short runs to a reading, so that the clock itself does not count.
        let batch = max(1, min(1000, Int(100e-6 / once)))
        var readings: [Double] = []
        var index = 2
        let begun = Moment.now.wall
        while readings.count < 3 || (Moment.now.wall - begun < duration && readings.count < 1000) {
            start = Moment.now
            for _ in 0..<batch {
                try run(index)
                index += 1
            }
            readings.append((Moment.now.processor - start.processor) / Double(batch))
        }
        // A trial sends and receives; a piece is one of both.
        if case .message = work { return middleValue(readings) / 2 }
        return middleValue(readings)
    }
}

/// A message to oneself through a connection, in pieces as large as the system's buffers take: as between two workers, without the wait.
private final class LoopedMessage {
    private let ends: (Int32, Int32)
    private let outgoing: [Float]
    private var incoming: [Float]

    init(_ count: Int) throws(ExecutionError) {
        ends = try Loopback.pair()
        outgoing = [Float](repeating: 1, count: count)
        incoming = outgoing.map { $0 + 1 }
    }
    deinit {
        close(ends.0)
        close(ends.1)
    }

    func run() throws(ExecutionError) {
        let isDone = outgoing.withUnsafeBytes { from in
            incoming.withUnsafeMutableBytes { to in
                var (sent, got) = (0, 0)
                while got < from.count {
                    let out = send(ends.0, from.baseAddress.map { $0 + sent }, from.count - sent, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
                    guard out >= 0 || errno == EAGAIN || errno == EINTR else { return false }
                    sent += max(0, out)
                    while got < sent {
                        let more = recv(ends.1, to.baseAddress.map { $0 + got }, sent - got, 0)
                        guard more > 0 else { return false }
                        got += more
                    }
                }
                return true
            }
        }
        if !isDone { throw ExecutionError(.worker, "a connection within this machine broke: \(String(cString: strerror(errno)))") }
    }
}

/// The middle value; 0 for none.
func middleValue(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
