import Compression
import Training

/// What every method of synchronisation needs of a co-simulation: the settings with their seed, and the parts of a step that are the same for all.
struct RunSetup<Scalar: TrainingScalar>: Sendable {
    let plan: CoSimulation<Scalar>
    let seed: UInt64
    let task: any LearningTask<Scalar>
    /// Of one worker's message in the target.
    let messageBytes: Double
    let initial: [Tensor<Scalar>]
    let sizes: [Int]

    init(_ plan: CoSimulation<Scalar>, seed: UInt64) throws(CodecError) {
        self.plan = plan
        self.seed = seed
        task = plan.task
        initial = plan.task.initialParameters(seed: mixed(seed, 0x1417))
        sizes = initial.map(\.values.count)
        let scale = plan.wire ?? WireScale(elements: plan.task.parameterCount, bytesPerElement: 4)
        messageBytes = try scale.messageBytes(plan.codec)
    }

    var workers: Int { plan.workers }
    var clock: WorkerClock { plan.clock }

    /// Block number `number` of worker `worker` among `workers`, dealt out in turn.
    func samples(_ worker: Int, _ number: Int) -> Samples {
        Samples(seed: seed, first: (number * workers + worker) * plan.batch, count: plan.batch, progress: progress(ofGradient: number))
    }

    /// Of an asynchronous run every worker makes its part of the steps.
    func progress(ofGradient number: Int) -> Double {
        if case .asynchronous = plan.method { return progress(number * workers) }
        return progress(number)
    }

    /// Nanoseconds of a worker's gradient number `number`, of `share` of its usual batch, begun `span` nanoseconds after the ledger's now.
    func duration(_ worker: Int, _ number: Int, share: Double = 1, at ledger: Ledger, after span: Int64 = 0) -> Int64 {
        let work = task.share(at: progress(ofGradient: number)).work
        return clock.gradient(
            seed: seed, worker: worker, number: number, share: share * work, imbalance: ledger.imbalance, now: ledger.now + span)
    }

    /// A new buffer with the gradient of a worker's block.
    func gradient(_ parameters: [Tensor<Scalar>], _ worker: Int, _ number: Int) throws(TrainingError) -> [[Scalar]] {
        var own = task.zeroGradient
        _ = try task.gradient(parameters, samples(worker, number), into: &own)
        return own
    }

    func rate(_ step: Int) -> Double { plan.schedule.rate(at: step) }
    func progress(_ step: Int) -> Double { min(1, Double(step) / Double(plan.stop.most)) }

    func wire() -> Wire<Scalar>? { plan.codec.map { Wire($0) } }
    /// One for each of `count` senders; none without a codec.
    func wires(_ count: Int) -> [Wire<Scalar>] { plan.codec.map { [Wire<Scalar>](repeating: Wire($0), count: count) } ?? [] }
    /// Exchange, encoding and decoding of one meeting of `count` workers, in nanoseconds.
    func exchange(_ count: Int) -> Int64 {
        let method = plan.codec?.exchange ?? .allReduce
        let own = count > 1 ? clock.exchange(method, messageBytes, count) : 0
        return nanoseconds(own + (plan.codec == nil ? 0 : clock.encode + clock.decode(count)))
    }
}

/// Parameters with their optimizer and what guards a step.
struct SharedModel<Scalar: TrainingScalar>: Sendable {
    var parameters: [Tensor<Scalar>]
    var optimizer: any TrainingOptimizer<Scalar>
    private var clipper: (any GradientClipper<Scalar>)?
    private(set) var scaler: LossScaler?
    private(set) var updates = 0

    init(_ setup: RunSetup<Scalar>) throws(TrainingError) {
        parameters = setup.initial
        optimizer = try setup.plan.optimizer.make(shapes: setup.task.shapes)
        clipper = setup.plan.clipper
        scaler = setup.plan.scaler
    }

    /// One update; false where an overflow skips it.
    mutating func apply(_ gradient: inout [[Scalar]], rate: Double, progress: Double) throws(TrainingError) -> Bool {
        if var guarded = scaler {
            for i in gradient.indices {
                Scalar.scale(&gradient[i], Scalar(guarded.scale))
                gradient[i] = StorageFormat.fp16.stored(gradient[i].map { Float($0) }).map { Scalar($0) }
            }
            let finite = guarded.unscale(&gradient)
            let goes = guarded.update(finite: finite)
            scaler = guarded
            guard goes else { return false }
        }
        if clipper != nil { _ = clipper?.clip(&gradient, parameters: parameters) }
        try optimizer.step(&parameters, gradients: gradient, rate: rate, progress: progress)
        updates += 1
        return true
    }

    func save(_ writer: inout StateWriter) {
        for tensor in parameters { writer.put(tensor.values) }
        writer.put(optimizer.state.serialized())
        writer.put(updates)
        writer.put(scaler?.scale ?? 0)
        writer.put(scaler?.cleanSteps ?? 0)
        writer.put((clipper as? QuantileClipper<Scalar>)?.norms ?? [])
    }

    mutating func restore(_ reader: inout StateReader) throws(TrainingError) {
        for i in parameters.indices { parameters[i].values = try reader.scalars(count: parameters[i].values.count) }
        try optimizer.restore(OptimizerState(serialized: try reader.bytes()))
        updates = try reader.integer()
        let (scale, clean) = (try reader.double(), try reader.integer())
        scaler?.restore(scale: scale, cleanSteps: clean)
        let norms: [Double] = try reader.scalars()
        if let own = clipper as? QuantileClipper<Scalar> { clipper = own.restored(norms) }
    }
}

/// One method of synchronisation at work.
protocol MethodRun<Scalar> {
    associatedtype Scalar: TrainingScalar
    var ledger: Ledger { get }
    /// One update of the shared parameters.
    mutating func advance() throws
    func save(_ writer: inout StateWriter)
    mutating func restore(_ reader: inout StateReader) throws
}

/// Elements of `tensors` one after the other.
func flat<Scalar>(_ tensors: [[Scalar]]) -> [Scalar] { tensors.count == 1 ? tensors[0] : Array(tensors.joined()) }
func flat<Scalar>(_ tensors: [Tensor<Scalar>]) -> [Scalar] {
    tensors.count == 1 ? tensors[0].values : Array(tensors.map(\.values).joined())
}

/// The reverse: `values` [elements] cut to `sizes` [tensors].
func cut<Scalar>(_ values: [Scalar], _ sizes: [Int]) -> [[Scalar]] {
    if sizes.count == 1 { return [values] }
    var start = 0
    return sizes.map { size in
        defer { start += size }
        return Array(values[start..<start + size])
    }
}
func put<Scalar>(_ values: [Scalar], into tensors: inout [Tensor<Scalar>]) {
    if tensors.count == 1 {
        tensors[0].values = values
        return
    }
    var start = 0
    for i in tensors.indices {
        let size = tensors[i].values.count
        tensors[i].values = Array(values[start..<start + size])
        start += size
    }
}
