import Kernels

/// Times calls one after the other: with the probes of memory and core beside them where calls run on one thread, and each rotated timing beside the
/// warm one of the same call.
struct CallBench {
    var rule = StopRule()
    private let backend: CPUBackend
    private let machine: Machine
    private let memory: MemoryProbe?
    private let core: CoreProbe?
    private var warm: [KernelCall: Double] = [:]

    /// - Parameter budget: seconds of the calibration, of which a hundredth looks at memory first
    init(backend: CPUBackend, machine: Machine, budget: Double) {
        self.backend = backend
        self.machine = machine
        // The probes use one thread, and say nothing of several.
        memory = backend.threads == 1 ? MemoryProbe(footprint: 2.5 * machine.lastCache, seconds: 0.01 * budget) : nil
        core = backend.threads == 1 ? CoreProbe(backend) : nil
    }

    mutating func time(_ call: KernelCall, _ residency: Residency) -> Repeats? {
        var timer = CallTimer(backend: backend, machine: machine, rule: rule)
        (timer.probe, timer.core, timer.warmSeconds) = (memory, residency == .contended ? nil : core, warm[call])
        let repeats = timer.time(call, residency)
        if residency == .warm, let repeats, repeats.isCalm { warm[call] = repeats.seconds }
        return repeats
    }
}
