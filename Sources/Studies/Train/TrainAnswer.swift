import CoSimulation
import Quantities
import Scenario
import Simulation

/// What a co-simulation found, and under which job's clock.
public struct TrainAnswer: Sendable {
    public var name: String
    public var hash: String
    public var version: String
    public var request: CosimRequest
    public var result: CosimResult
    public var remarks: [String]
    /// Seconds of one gradient and of one uncompressed exchange, mean.
    public var gradientSeconds: Double
    public var exchangeSeconds: Double
    /// The target's run with each method; nil where it was not asked for.
    public var projection: TrainProjection?
}

/// The target's whole run, its samples multiplied by the measured factor.
public struct TrainProjection: Sendable {
    public struct Run: Sendable {
        public var steps: Double
        public var secondsPerStep: Double
        public var days: Double
        public var usd: Double
    }
    /// With tuned synchronous training, and with this method: mean, and at both ends of the factor's interval.
    public var synchronous: Run
    public var own: Run?
    public var low: Run?
    public var high: Run?
    public var payment: Payment?

    /// On which networks the method is the faster way to equal loss. With the network's speed times s a synchronous step takes a + b / s, as many
    /// samples of the method c + d / s, and the method pays where factor (c + d / s) < a + b / s.
    public enum Payment: Sendable, Equatable {
        case always, never
        /// On networks below, or above, so many times the speed of the target's.
        case below(Double)
        case above(Double)

        init(synchronous: (Double, Double), own: (Double, Double), factor: Double) {
            let (fixed, sent) = (synchronous.0 - factor * own.0, synchronous.1 - factor * own.1)
            // It pays where fixed + sent / s > 0.
            switch (fixed >= 0, sent >= 0) {
            case (true, true): self = fixed == 0 && sent == 0 ? .never : .always
            case (false, false): self = .never
            case (false, true): self = sent == 0 ? .never : .below(-sent / fixed)
            case (true, false): self = fixed == 0 ? .never : .above(-sent / fixed)
            }
        }
    }
}

extension Study {
    /// Trains for real under the simulated clock of the request's target, or under the clock that it states.
    /// - Parameters:
    ///   - store: keeps states, so that a run that was killed goes on.
    ///   - isInterrupted: asked now and then; where true, the answer is what has been trained until then.
    /// - Throws: `ScenarioErrors` for what cannot be trained, planned or billed.
    public func train(
        _ request: CosimRequest, projects: Bool = false, store: (any StateStore)? = nil,
        until isInterrupted: @escaping @Sendable () -> Bool = { false }
    ) throws(ScenarioErrors) -> TrainAnswer {
        var request = request
        var remarks = request.remarks
        var clock = WorkerClock(service: request.service ?? Service())
        var reference: WorkerClock?
        var wire: WireScale?
        var target: TargetClock?
        if let scenario = request.target {
            let own = try targetClock(request, scenario)
            remarks += own.remarks
            (clock, reference, wire) = (own.clock, own.plain, own.wire)
            // Without the target's messages a gradient is all there is; what a second costs stays the target's.
            if !request.communicates { (clock, reference) = (WorkerClock(service: own.clock.service), nil) }
            if let service = request.service {
                clock.service = service
                reference?.service = service
            }
            (clock.usdPerSecond, clock.watts) = (own.clock.usdPerSecond, own.clock.watts)
            target = own
        }
        if let link = request.synchronization.link { clock.transfer = { bytes in bytes / link.bytesPerSecond } }
        clock.slow = slow(request, remarks: &remarks)
        reference?.slow = clock.slow
        // The factor is of samples to a target loss; a rate that is given spares the search, unless the task costs nothing.
        var isCheap = false
        if case .noisyQuadratic = request.spec.proxy.task { isCheap = true }
        let isOffered = request.spec.stop.targetLoss != nil && (isCheap || request.spec.rate.peak == nil)
        request.spec.comparesWithSynchronous = projects || isOffered
        var study = CosimStudy(request.spec, clock: clock, wire: wire)
        study.referenceClock = reference
        study.jobs = jobs
        study.store = store
        let tell = progress
        study.progress = { done, total in
            if total > 0 { tell(done, total) }
            return !isInterrupted()
        }
        let result: CosimResult
        do { result = try study.run() } catch {
            let fault = Fault(keyPath: error.key, reason: error.reason, suggestion: error.advice)
            throw request.errors([fault])
        }
        if result.isInterrupted { remarks.append("interrupted: the curves end where training was") }
        let plainBytes = result.wire.plain
        var answer = TrainAnswer(
            name: request.name, hash: request.hash, version: programVersion, request: request, result: result, remarks: remarks,
            gradientSeconds: clock.service.mean, exchangeSeconds: clock.exchange(.allReduce, plainBytes, request.spec.workers))
        if projects, request.communicates, let target, let scenario = request.target {
            answer.projection = projection(answer, target, scenario)
        }
        return answer
    }

    /// Workers that the scenario's conditions slow down.
    private func slow(_ request: CosimRequest, remarks: inout [String]) -> [WorkerClock.Slow] {
        let job = request.target?.job
        let stride = max(1, (job?.layout.tensor ?? 1) * (job?.layout.context ?? 1))
        var list: [WorkerClock.Slow] = []
        for (index, slow) in request.conditions.slowGPUs.enumerated() {
            var workers: [Int]
            switch slow.which {
            case .gpu(let gpu): workers = [job == nil ? gpu : gpu / stride % max(1, request.spec.workers)]
            case .share(let share):
                let units = job?.cluster.gpus ?? request.spec.workers
                workers = drawnUnits(share: share, of: units, seed: request.spec.seed, purpose: "slow-gpus-\(index)")
                    .map { $0 / stride % max(1, request.spec.workers) }
            }
            workers = Array(Set(workers)).sorted().filter { $0 < request.spec.workers }
            if workers.isEmpty { remarks.append("conditions.slow_gpus[\(index)] names no worker of \(request.spec.workers)") }
            list += workers.map { .init(worker: $0, factor: slow.slowdown, from: slow.from.seconds) }
        }
        return list
    }

    private func projection(_ answer: TrainAnswer, _ target: TargetClock, _ scenario: Scenario) -> TrainProjection? {
        let steps: Double
        switch scenario.job.training.length {
        case .tokens(let tokens): steps = Double(tokens) / max(1, target.tokensPerStep)
        case .steps(let count): steps = Double(count)
        default: return nil
        }
        let result = answer.result
        let rate = target.clock.usdPerSecond
        func run(_ steps: Double, _ seconds: Double) -> TrainProjection.Run {
            .init(steps: steps, secondsPerStep: seconds, days: steps * seconds / 86400, usd: steps * seconds * rate)
        }
        let plain = target.plain
        let exposed = max(0, plain.exchange(.allReduce, target.wire.plainBytes, answer.request.spec.workers) - plain.hidden)
        let synchronous = result.referenceStepSeconds ?? plain.service.mean + exposed + plain.update + plain.stall
        var projection = TrainProjection(synchronous: run(steps, synchronous))
        // Seconds for as many samples as a synchronous step trains.
        let trained = result.points.last?.tokens ?? 0
        let perStep = Double(answer.request.spec.workers * answer.request.spec.batch * result.task.tokensPerSample)
        guard trained > 0, let factor = result.stepsFactor else { return projection }
        let seconds = result.seconds / (trained / perStep)
        projection.own = run(steps * factor.mean, seconds)
        projection.low = run(steps * factor.p5, seconds)
        projection.high = run(steps * factor.p95, seconds)
        let sent = min(seconds, communication(answer, target.clock) / (trained / perStep))
        projection.payment = TrainProjection.Payment(
            synchronous: (synchronous - exposed, exposed), own: (seconds - sent, sent), factor: factor.mean)
        return projection
    }

    /// Seconds on the network in the whole run of the small model, of one worker.
    private func communication(_ answer: TrainAnswer, _ clock: WorkerClock) -> Double {
        let (result, spec) = (answer.result, answer.request.spec)
        let method = spec.codec?.exchange ?? .allReduce
        switch spec.method {
        case .synchronous, .grouped:
            return result.updates * max(0, clock.exchange(method, result.wire.message, spec.workers) - clock.hidden)
        case .local(_, _, let groups):
            return result.updates * clock.exchange(method, result.wire.message, groups?.count ?? spec.workers)
        case .asynchronous:
            return result.updates / Double(spec.workers) * (clock.transfer(result.wire.plain) + clock.transfer(result.wire.message))
        case .federated: return result.updates * (clock.transfer(result.wire.plain) + clock.transfer(result.wire.message))
        }
    }
}
