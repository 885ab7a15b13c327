import Glibc
import Kernels
import Synchronization

/// How the workers of a run come to be.
public enum WorkerKind: Sendable {
    /// Processes of this program, which must offer `execute-worker`.
    case processes(executable: String)
    /// Threads of this process: for tests, and for programs that are not the orrery command.
    case threads
}

/// A worker process's whole life.
/// - Parameters:
///   - descriptor: the shared memory that the parent process made.
///   - number: which worker.
/// - Returns: the exit status.
public func runWorkerProcess(descriptor: Int32, number: Int) -> Int32 {
    let attached: (plan: RunPlan, memory: RunMemory)
    do throws(ExecutionError) { attached = try RunMemory.attached(descriptor) } catch {
        complain("\(error)")
        return 2
    }
    guard (0..<attached.memory.workers).contains(number) else {
        complain("there is no worker \(number) among \(attached.memory.workers)")
        return 2
    }
    // Others' connections are open here too: they shall end with their workers.
    for other in 0..<attached.memory.workers where other != number {
        for descriptor in attached.memory.descriptors(other).values { close(descriptor) }
    }
    guard let parent = endsWithParent() else { return 3 }
    return runWorker(attached.plan, attached.memory, number, parent: parent) ? 0 : 3
}

/// Ends this process soon after the one that started it has gone, whatever it is at.
/// - Returns: who started it; nil where no thread could be had to watch.
private func endsWithParent() -> pid_t? {
    let parent = getppid()
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { argument in
            let parent = pid_t(Int(bitPattern: argument))
            while getppid() == parent { usleep(200_000) }
            _exit(3)
        }, UnsafeMutableRawPointer(bitPattern: Int(parent)))
    return status == 0 ? parent : nil
}

private func complain(_ text: String) {
    let bytes = Array("orrery execute-worker: \(text)\n".utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

private func runWorker(_ plan: RunPlan, _ memory: RunMemory, _ number: Int, parent: pid_t?) -> Bool {
    do {
        var worker = try Worker(plan, memory, number: number, parent: parent)
        try worker.run()
        return true
    } catch {
        if let error = error as? ExecutionError, error.kind == .aborted {
            memory.set(number, .failed)
        } else {
            memory.fail(number, "\(error)")
            memory.set(.abort, 1)
        }
        return false
    }
}

struct Launcher {
    let plan: RunPlan
    let memory: RunMemory

    /// Runs all workers to their end.
    /// - Throws: `ExecutionError` naming the worker that failed or was ended; no other is left behind.
    func run(_ kind: WorkerKind, progress: (Int) -> Void) throws(ExecutionError) {
        // Made here, inherited by the processes, and closed here when they have them.
        var open: [Int32] = []
        defer { for descriptor in open { close(descriptor) } }
        if plan.spec.transport == .socket {
            for (one, other) in plan.links {
                let (near, far) = try Loopback.pair()
                open += [near, far]
                memory.connect(one, other, near)
                memory.connect(other, one, far)
            }
        }
        switch kind {
        case .processes(let path): try processes(path, progress)
        case .threads: try threads(progress)
        }
    }

    private func name(_ worker: Int) -> String {
        let pipeline = plan.spec.pipeline
        return "worker \(worker) (replica \(worker / pipeline), pipeline rank \(worker % pipeline))"
    }

    private func failure(_ worker: Int, _ reason: String) -> ExecutionError {
        let step = memory.step(worker)
        return ExecutionError(.worker, "\(name(worker)) \(reason) in step \(step); the other workers were ended")
    }

    // MARK: Processes

    private func processes(_ path: String, _ progress: (Int) -> Void) throws(ExecutionError) {
        var running: [Int: pid_t] = [:]
        defer { end(running) }
        for worker in 0..<memory.workers { running[worker] = try spawn(path, worker) }
        var watchdog = Watchdog(memory)
        while !running.isEmpty {
            // One worker alone has nobody who waits for it.
            if running.count == 1, let reason = watchdog.reason { throw ExecutionError(.worker, "\(reason); it was ended") }
            for worker in running.keys.sorted() {
                guard let process = running[worker] else { continue }
                var status: Int32 = 0
                guard waitpid(process, &status, WNOHANG) == process else { continue }
                running[worker] = nil
                let signal = status & 0x7F
                let code = status >> 8 & 0xFF
                if signal == 0, code == 0 { continue }
                memory.set(.abort, 1)
                // One that gave up because of another is not the one to blame.
                if signal == 0, memory.message(worker).isEmpty, !running.isEmpty { continue }
                if signal != 0 { throw failure(worker, "was ended by signal \(signal)") }
                let reason = memory.message(worker)
                throw failure(worker, reason.isEmpty ? "ended with status \(code)" : "failed: \(reason)")
            }
            progress(memory.step(0))
            usleep(5000)
        }
    }

    private func spawn(_ path: String, _ worker: Int) throws(ExecutionError) -> pid_t {
        // Freed buffers stay with the process (mallopt(3)): a fresh page for every activation would cost more than some kernels do.
        let own = ["OPENBLAS_NUM_THREADS=1", "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=68719476736"]
        var words: [UnsafeMutablePointer<CChar>?] = []
        for word in [path, "execute-worker", "--memory", "\(memory.descriptor)", "--number", "\(worker)"] { words.append(strdup(word)) }
        words.append(nil)
        var environment: [UnsafeMutablePointer<CChar>?] = []
        var at = environ
        while let entry = at.pointee {
            let text = String(cString: entry)
            if !own.contains(where: { text.hasPrefix($0.prefix { $0 != "=" } + "=") }) { environment.append(strdup(text)) }
            at += 1
        }
        for setting in own { environment.append(strdup(setting)) }
        environment.append(nil)
        defer { for word in words + environment { free(word) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, path, nil, nil, words, environment)
        guard status == 0 else {
            throw ExecutionError(.worker, "\(name(worker)) cannot be started from \(path): \(String(cString: strerror(status)))")
        }
        return process
    }

    private func end(_ running: [Int: pid_t]) {
        memory.set(.abort, 1)
        for process in running.values { kill(process, SIGKILL) }
        for process in running.values {
            var status: Int32 = 0
            waitpid(process, &status, 0)
        }
    }

    // MARK: Threads

    private final class Job: Sendable {
        let plan: RunPlan
        let memory: RunMemory
        let number: Int
        init(_ plan: RunPlan, _ memory: RunMemory, _ number: Int) { (self.plan, self.memory, self.number) = (plan, memory, number) }
    }

    private func threads(_ progress: (Int) -> Void) throws(ExecutionError) {
        var threads: [pthread_t] = []
        for number in 0..<memory.workers {
            var thread = pthread_t()
            let job = Unmanaged.passRetained(Job(plan, memory, number))
            let status = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    let job = Unmanaged<Job>.fromOpaque(argument).takeRetainedValue()
                    _ = runWorker(job.plan, job.memory, job.number, parent: nil)
                    return nil
                }, job.toOpaque())
            guard status == 0 else {
                job.release()
                memory.set(.abort, 1)
                for thread in threads { pthread_join(thread, nil) }
                throw ExecutionError(.worker, "\(name(number)) cannot be started: \(String(cString: strerror(status)))")
            }
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        progress(memory.steps)
        for worker in 0..<memory.workers where memory.status(worker) == .failed && !memory.message(worker).isEmpty {
            throw failure(worker, "failed: \(memory.message(worker))")
        }
    }
}
