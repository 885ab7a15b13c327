import Compression
import Glibc
import Kernels
import Plan
import Scenario
import Training

/// One worker of a run: a pipeline rank of a replica. It follows the schedule's instruction list, exchanges gradients, and notes what each part took.
struct Worker {
    let plan: RunPlan
    let memory: RunMemory
    let number: Int
    let runner: StageRunner<CPUBackend>
    var parameters: [Tensor<Float>]
    var gradients: [[Float]]
    private var optimizer: WorkerOptimizer
    private let data: [StagedModel.Data]
    var codec: (any GradientCodec)?
    /// Where the spec says that messages cross in sockets.
    let post: SocketPost?
    /// Who started this process; somebody else: it has gone.
    private let parent: pid_t?

    var spec: ExecutionSpec { plan.spec }
    var rank: Int { number % plan.spec.pipeline }
    var replica: Int { number / plan.spec.pipeline }

    /// - Parameter parent: the process that started this one; nil for a thread of its own process.
    init(_ plan: RunPlan, _ memory: RunMemory, number: Int, parent: pid_t? = nil) throws {
        self.plan = plan
        self.memory = memory
        self.number = number
        self.parent = parent
        let cpu = try CPUBackend(threads: 1)
        runner = StageRunner(model: plan.model, backend: cpu)
        parameters = try plan.model.initialParameters
        gradients = plan.model.shapes.map { cpu.zeros($0.reduce(1, *)) }
        optimizer = try WorkerOptimizer(
            plan.spec.optimizer, shapes: plan.model.shapes, owned: plan.tensors(rank: number % plan.spec.pipeline))
        let replica = number / plan.spec.pipeline
        data = (0..<plan.spec.microBatches).map { plan.model.data(replica: replica, microBatch: $0) }
        post = plan.spec.transport == .memory ? nil : Self.post(memory, number, parent)
        codec = plan.spec.copies > 1 ? plan.spec.codec?.compression.codec : nil
    }

    private static func post(_ memory: RunMemory, _ number: Int, _ parent: pid_t?) -> SocketPost {
        var watchdog = Watchdog(memory)
        return SocketPost(number, memory.descriptors(number)) { () throws(ExecutionError) in try checkIsAlive(memory, parent, &watchdog) }
    }

    /// - Throws: `ExecutionError` where there is nothing more to wait for.
    private static func checkIsAlive(_ memory: RunMemory, _ parent: pid_t?, _ watchdog: inout Watchdog) throws(ExecutionError) {
        if memory.get(.abort) != 0 { throw ExecutionError(.aborted, "another worker failed") }
        if let parent, getppid() != parent { throw ExecutionError(.aborted, "the run was given up") }
        if let reason = watchdog.reason { throw ExecutionError(.worker, reason) }
    }

    /// Times pieces and trains, in rounds.
    mutating func run() throws {
        let options = memory.options
        if options.pins { CPUBackend.pinCurrentThread(to: number % max(1, CPUBackend.usableCores)) }
        memory.set(number, .ready)
        try meet(.all)
        var step = 0
        for round in 0..<options.rounds {
            if options.trialSeconds > 0 {
                try timePieces(round)
            }
            let end = options.trains ? options.warmUp + spec.steps * (round + 1) / options.rounds : 0
            while step < end {
                try train(step)
                step += 1
            }
        }
        memory.set(number, .done)
    }

    /// Times every piece on the first worker's core: with the others asleep, then with all of them doing the same.
    private func timePieces(_ round: Int) throws {
        for busy in spec.workers > 1 ? [false, true] : [false] {
            for (index, piece) in plan.distinct.enumerated() {
                guard busy || number == 0 else { continue }
                memory.beat(number)
                var trial = try PieceTrial(piece, plan, memory, worker: number)
                if busy { try meet(.all) }
                let seconds = try trial.seconds(for: memory.options.trialSeconds)
                if number == 0 { memory.trials(busy: busy, round)[index] = seconds }
            }
            try meet(.all)
        }
    }

    // MARK: Waiting

    func group(_ meeting: RunMemory.Meeting) -> [Int] {
        switch meeting {
        case .all: Array(0..<spec.workers)
        case .data: plan.copies(of: number)
        case .tied: plan.tied(with: number)
        }
    }

    /// Returns when every worker of the group has come here.
    func meet(_ meeting: RunMemory.Meeting) throws(ExecutionError) {
        let members = group(meeting)
        memory.arrive(meeting, number)
        let mine = memory.arrival(meeting, number)
        try wait { members.allSatisfy { memory.arrival(meeting, $0) >= mine } }
    }

    /// Looks again and again, ever less often: a core that waits should not slow the others.
    func wait(_ isTrue: () -> Bool) throws(ExecutionError) {
        for _ in 0..<200 where isTrue() { return }
        var watchdog = Watchdog(memory)
        var looks = 0
        while !isTrue() {
            if looks % 64 == 0 { try Self.checkIsAlive(memory, parent, &watchdog) }
            if looks < 100 { sched_yield() } else { usleep(looks < 2000 ? 20 : 200) }
            looks += 1
        }
    }

    // MARK: A step

    private mutating func train(_ step: Int) throws {
        memory.set(number, step: step)
        let record = memory.record(number, step)
        var notes = StepNotes(record, fields: memory.fields)
        try meet(.all)
        let start = Moment.now
        try pipeline(step, &notes)
        try exchange(&notes)
        try notes.note(.optimizer) { try optimizer.step(&parameters, gradients, rate: 1e-3) }
        notes.note(.clear) {
            for tensor in plan.tensors(rank: rank) { gradients[tensor] = runner.backend.zeros(gradients[tensor].count) }
        }
        try notes.note(.endWait) { try meet(.all) }
        notes.add(.total, from: start)
    }

    private mutating func pipeline(_ step: Int, _ notes: inout StepNotes) throws {
        var passes: [Instruction: StageRunner<CPUBackend>.Pass] = [:]
        var rests: [Instruction: PostponedGradients<CPUBackend>] = [:]
        let stages = plan.schedule.virtualStage[rank]
        for instruction in plan.schedule.ranks[rank] {
            let stage = stages[instruction.chunk]
            let micro = instruction.microBatch
            memory.beat(number)
            let isForward = instruction.kind == .forward
            let key = Instruction(.forward, micro, chunk: instruction.chunk)
            var received: [Float] = []
            switch instruction.kind {
            case .forward: received = try receive(stage == 0 ? nil : stage - 1, isForward, micro, step, &notes)
            case .backward: received = try receive(stage == plan.model.last ? nil : stage, isForward, micro, step, &notes)
            case .weight: break
            }
            let start = Moment.now
            var sent: [Float] = []
            switch instruction.kind {
            case .forward:
                let pass = try runner.forward(stage, parameters, data[micro], input: received)
                sent = stage == plan.model.last ? [] : pass.output
                notes.add(.loss, pass.loss / Double(spec.microBatches))
                passes[key] = pass
            case .backward:
                guard let pass = passes.removeValue(forKey: key) else { break }
                let flow = stage == plan.model.last ? pass.flow : received
                if plan.schedule.splitsBackward {
                    (sent, rests[key]) = try runner.backwardInput(pass, flow, parameters, &gradients)
                } else {
                    sent = try runner.backward(pass, flow, parameters, &gradients)
                }
            case .weight: rests.removeValue(forKey: key)?.add(to: &gradients, on: runner.backend)
            }
            notes.add(isForward ? .forward : .backward, from: start)
            notes.add(chunk: instruction.chunk, instruction.kind, of: spec.virtual, from: start)
            try straggle(start, &notes)
            guard !sent.isEmpty else { continue }
            let box = RunMemory.Box(
                replica: replica, boundary: isForward ? stage : stage - 1, backward: !isForward, microBatch: micro)
            if let post {
                let peer = neighbour(isForward ? stage + 1 : stage - 1, micro)
                try posted(post, .pipelineCopy, .pipelineWait, &notes) { () throws(ExecutionError) in
                    try post.send(sent, tag: memory.tag(box), to: peer)
                }
            } else {
                notes.note(.pipelineCopy) {
                    memory.buffer(box).update(from: sent, count: sent.count)
                    memory.fill(box, step: step)
                }
            }
        }
    }

    private func receive(
        _ boundary: Int?, _ isForward: Bool, _ micro: Int, _ step: Int, _ notes: inout StepNotes
    ) throws -> [Float] {
        guard let boundary else { return [] }
        let box = RunMemory.Box(replica: replica, boundary: boundary, backward: !isForward, microBatch: micro)
        if let post {
            let peer = neighbour(isForward ? boundary : boundary + 1, micro)
            return try posted(post, .pipelineCopy, .pipelineWait, &notes) { () throws(ExecutionError) in
                try post.receive(tag: memory.tag(box), from: peer)
            }
        }
        try notes.note(.pipelineWait) { try wait { memory.isFull(box, step: step) } }
        return notes.note(.pipelineCopy) {
            Array(UnsafeBufferPointer(start: memory.buffer(box), count: plan.model.boundary(boundary)))
        }
    }

    /// The worker of this replica that runs a stage for a micro-batch.
    private func neighbour(_ stage: Int, _ micro: Int) -> Int {
        replica * spec.pipeline + plan.rank(stage: stage, microBatch: micro)
    }

    /// Notes what a transfer waited and what it computed apart.
    func posted<R>(
        _ post: SocketPost, _ field: StepField, _ wait: StepField, _ notes: inout StepNotes, _ body: () throws(ExecutionError) -> R
    ) throws(ExecutionError) -> R {
        let (start, waited) = (Moment.now, post.waited)
        defer {
            notes.add(field, from: start)
            notes.add(field, waited - post.waited)
            notes.add(wait, post.waited - waited)
        }
        return try body()
    }

    /// Work that does nothing, as long as the instruction's own times what the slowdown adds.
    private func straggle(_ start: Moment, _ notes: inout StepNotes) throws {
        guard let straggler = spec.straggler, straggler.worker == number, straggler.slowdown > 1 else { return }
        let begun = Moment.now
        let extra = (straggler.slowdown - 1) * (begun.processor - start.processor)
        while Moment.seconds(CLOCK_THREAD_CPUTIME_ID) - begun.processor < extra {
            if memory.get(.abort) != 0 { throw ExecutionError(.aborted, "another worker failed") }
        }
        notes.add(.straggle, from: begun)
    }
}

/// Watches whether any worker still does anything.
struct Watchdog {
    private let memory: RunMemory
    private var beats: UInt64
    private var since = Moment.seconds(CLOCK_MONOTONIC)

    init(_ memory: RunMemory) { (self.memory, beats) = (memory, memory.beats) }

    /// Why the run is given up: no worker gave a sign of life for as long as the options say; nil while there is hope.
    var reason: String? {
        mutating get {
            let (now, heard) = (Moment.seconds(CLOCK_MONOTONIC), memory.beats)
            if heard != beats { (beats, since) = (heard, now) }
            guard now - since >= memory.options.patience else { return nil }
            let last = (0..<memory.workers).min {
                (memory.arrival(.all, $0), memory.step($0), $0) < (memory.arrival(.all, $1), memory.step($1), $1)
            }
            return "nothing came for \(Int(memory.options.patience)) s; the worker that is furthest behind is \(last ?? 0)"
        }
    }
}

/// sum += what the message says.
func addDecoded(_ codec: any GradientCodec, _ message: UnsafeRawBufferPointer, to sum: inout [Float], on backend: CPUBackend) throws {
    var decoded = backend.uninitialized(sum.count)
    try decoded.withUnsafeMutableBufferPointer { try codec.decode(message, into: $0) }
    backend.add(decoded, into: &sum)
}

/// target[i] = sum of the parts' elements i, in the order of the parts.
func sumParts(_ parts: [UnsafePointer<Float>], _ range: Range<Int>, into target: UnsafeMutablePointer<Float>?) {
    guard let target, let first = parts.first else { return }
    guard parts.count > 1 else { return (target + range.lowerBound).update(from: first + range.lowerBound, count: range.count) }
    let second = parts[1]
    for i in range { target[i] = first[i] + second[i] }
    for part in parts.dropFirst(2) { for i in range { target[i] += part[i] } }
}

/// Times of one step as they are taken.
struct StepNotes {
    private let record: UnsafeMutablePointer<Double>

    init(_ record: UnsafeMutablePointer<Double>, fields: Int) {
        self.record = record
        for field in 0..<fields { record[field] = 0 }
    }

    func add(_ field: StepField, from start: Moment) {
        let now = Moment.now
        record[field.rawValue] += now.wall - start.wall
        record[StepRecord.processor(field)] += now.processor - start.processor
    }
    func add(_ field: StepField, _ value: Double) { record[field.rawValue] += value }
    func add(chunk: Int, _ kind: Instruction.Kind, of chunks: Int, from start: Moment) {
        record[StepRecord.chunk(chunk, kind, of: chunks)] += Moment.now.processor - start.processor
    }
    func note<R>(_ field: StepField, _ body: () throws -> R) rethrows -> R {
        let start = Moment.now
        defer { add(field, from: start) }
        return try body()
    }
}

/// The optimizers that run here, over the tensors that a worker owns.
enum WorkerOptimizer {
    case adam(Optimizer<Adam<Float>>)
    case sgd(Optimizer<SGD<Float>>)

    init(_ kind: OptimizerKind, shapes: [[Int]], owned: [Int]) throws(TrainingError) {
        let others = shapes.indices.filter { !owned.contains($0) }
        switch kind {
        case .sgd, .momentum:
            let rule = try SGD<Float>(momentum: kind == .momentum ? 0.9 : 0)
            self = .sgd(
                try Optimizer(
                    groups: [ParameterGroup(rule, tensors: owned), ParameterGroup(rule, tensors: others, isFrozen: true)], shapes: shapes))
        default:
            let rule = kind == .adam ? Adam<Float>() : Adam<Float>.adamW()
            self = .adam(
                try Optimizer(
                    groups: [ParameterGroup(rule, tensors: owned), ParameterGroup(rule, tensors: others, isFrozen: true)], shapes: shapes))
        }
    }

    mutating func step(_ parameters: inout [Tensor<Float>], _ gradients: [[Float]], rate: Double) throws(TrainingError) {
        switch self {
        case .adam(var optimizer):
            // Moved out and back, so that the state is not copied.
            self = .none
            defer { self = .adam(optimizer) }
            try optimizer.step(&parameters, gradients: gradients, rate: rate)
        case .sgd(var optimizer):
            self = .none
            defer { self = .sgd(optimizer) }
            try optimizer.step(&parameters, gradients: gradients, rate: rate)
        case .none: break
        }
    }
    case none
}
