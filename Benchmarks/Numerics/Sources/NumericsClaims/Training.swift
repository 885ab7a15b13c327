import Training

/// The proxies: a perceptron that learns a teacher's labels of which a tenth are wrong, and a transformer that learns a Markov source.
struct Proxy<M: Model>: Sendable {
    var model: M
    var batch: @Sendable (inout SeededDraws) throws -> M.Batch
    var held: M.Batch
    var steps: Int
}

func teacherStudent(seed: UInt64, steps: Int = 300) throws -> Proxy<MLP> {
    let task = try TeacherStudent(sizes: [16, 32, 8], labelNoise: 0.1, seed: seed)
    var draws = SeededDraws(seed: seed &+ 1000)
    return Proxy(
        model: try MLP(sizes: [16, 64, 8], activation: .relu), batch: { try task.batch(64, draws: &$0) },
        held: try task.batch(4000, draws: &draws),
        steps: steps)
}

func markov(seed: UInt64, steps: Int = 200) throws -> Proxy<GPT> {
    let source = try MarkovSource(vocabulary: 12, sharpness: 1.5, seed: seed)
    var draws = SeededDraws(seed: seed &+ 1000)
    let length = 12
    return Proxy(
        model: try GPT(vocabulary: 12, length: length, width: 16, heads: 2, layers: 1),
        batch: { source.batch(sequences: 16, length: length, draws: &$0) },
        held: source.batch(sequences: 300, length: length, draws: &draws), steps: steps)
}

struct Run {
    /// Held-out loss every `interval` steps, the first after `interval`.
    var losses: [Double]
    var interval: Int
    var parameters: [Tensor<Double>]
    var final: Double { losses[losses.count - 1] }
    var diverged: Bool { !(final < losses[0] * 3) }
    /// Steps until the held-out loss first reaches `target`, interpolated; nil if never.
    func steps(to target: Double) -> Double? {
        guard let index = losses.firstIndex(where: { $0 <= target }) else { return nil }
        guard index > 0 else { return Double(interval) }
        let part = (losses[index - 1] - target) / (losses[index - 1] - losses[index])
        return Double(interval) * (Double(index) + part)
    }
}

struct Settings: Sendable {
    var rate: Double
    var schedule: (any RateSchedule)?
    var clip: Double?
    init(rate: Double, schedule: (any RateSchedule)? = nil, clip: Double? = nil) {
        self.rate = rate
        self.schedule = schedule
        self.clip = clip
    }
}

/// `adjust` may change the model at each step.
func train<M: Model, R: UpdateRule>(
    _ proxy: Proxy<M>, _ rule: R, _ settings: Settings, seed: UInt64, adjust: (inout M, Int) -> Void = { _, _ in }
) throws -> Run where R.Scalar == Double {
    var model = proxy.model
    var parameters = model.initialParameters(seed: seed)
    var optimizer = Optimizer(rule, shapes: model.shapes)
    var draws = SeededDraws(seed: seed &+ 77)
    let interval = 5
    var losses: [Double] = []
    for step in 0..<proxy.steps {
        adjust(&model, step)
        var (_, gradients) = try model.lossAndGradients(parameters, try proxy.batch(&draws))
        if let clip = settings.clip {
            var clipper = NormClipper<Double>(maximum: clip)
            _ = clipper.clip(&gradients, parameters: parameters)
        }
        let rate = settings.schedule.map { $0.rate(at: step + 1) * settings.rate } ?? settings.rate
        try optimizer.step(&parameters, gradients: gradients, rate: rate, progress: Double(step) / Double(proxy.steps))
        if (step + 1) % interval == 0 { losses.append(try model.loss(parameters, proxy.held)) }
    }
    return Run(losses: losses, interval: interval, parameters: parameters)
}

/// The rate of `grid` with the least final loss, on seeds that the measurement does not use.
func tuned<M: Model, R: UpdateRule>(
    _ proxies: [Proxy<M>], _ rule: R, _ grid: [Double], _ settings: (Double) throws -> Settings = { Settings(rate: $0) }
) throws -> Double where R.Scalar == Double {
    var best = (rate: grid[0], loss: Double.infinity)
    for rate in grid {
        var sum = 0.0
        for (index, proxy) in proxies.enumerated() { sum += try train(proxy, rule, try settings(rate), seed: UInt64(900 + index)).final }
        if sum < best.loss { best = (rate, sum) }
    }
    return best.rate
}

/// Steps of `method` to the loss at which `baseline` has done 97% of its fall, over the steps `baseline` itself needed. (On the plateau at the
/// end the crossing is decided by noise.)
func speedRatio(_ method: Run, _ baseline: Run) -> Double {
    let least = baseline.losses.min() ?? baseline.final
    let target = least + 0.03 * (baseline.losses[0] - least)
    let longest = Double(baseline.losses.count * baseline.interval)
    // Never reached counts as twice the run: a lower bound of the ratio.
    return (method.steps(to: target) ?? 2 * longest) / (baseline.steps(to: target) ?? longest)
}
