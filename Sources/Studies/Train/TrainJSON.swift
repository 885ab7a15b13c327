import CoSimulation
import Quantities

extension Band {
    var json: JSONValue { .object([("mean", .number(mean)), ("p5", .number(p5)), ("p95", .number(p95))]) }
    static func json(_ band: Band?) -> JSONValue { band?.json ?? .null }
}

extension TrainAnswer {
    /// The result file: keys as docs/definitions.md lists them.
    public var json: JSONValue {
        .object([
            ("scenario", .string(name)), ("hash", .string(hash)), ("version", .string(version)), ("seed", .unsigned(request.spec.seed)),
            ("warnings", .array(remarks.map { .string($0) })), ("cosim", cosim),
            ("projection", projection?.json ?? .null),
        ])
    }

    private var cosim: JSONValue {
        let result = result
        let mean = result.stepsToTarget?.mean
        let toTarget = result.secondsToTarget?.mean
        return .object([
            ("loss", .array(result.points.map { .number($0.loss.mean) })), ("time_s", .array(result.points.map { .number($0.seconds) })),
            ("final_loss", .number(result.finalLoss)), ("excess_loss", .optional(result.excessLoss)),
            ("parameter_second_moment", .optional(result.secondMoment)), ("updates", .number(result.updates)),
            ("elapsed_s", .number(result.seconds)), ("steps_to_target", .optional(mean)), ("time_to_target_s", .optional(toTarget)),
            ("usd_to_target", .optional(toTarget.map { $0 * result.usdPerSecond })),
            ("energy_to_target_j", .optional(toTarget.map { $0 * result.watts })), ("reached_target", .integer(result.reached)),
            ("seeds", .integer(result.seeds)), ("diverged", .integer(result.diverged)), ("utilization", .number(result.utilization)),
            ("staleness", staleness), ("bytes_per_update", .number(result.bytesPerUpdate)), ("bytes_ratio", .optional(result.bytesRatio)),
            ("waited_s", .number(result.waited.reduce(0, +))), ("waited_by_worker_s", .array(result.waited.map { .number($0) })),
            ("waited_for_worker_s", .array(result.blamed.map { .number($0) })), ("skipped_steps", .number(result.skipped)),
            ("skipped_at", .array(result.skippedSteps.map { .integer($0) })),
            (
                "tuned",
                .object([
                    ("rate", .number(result.rate.rate)), ("trials", .integer(result.rate.trials)), ("steps", .integer(result.rate.steps)),
                    ("seconds", .number(result.rate.seconds)),
                ])
            ),
            ("expert_imbalance", .optional(result.expertImbalance)),
            ("noise_scale", .optional(result.noise.scale)), ("steps_factor", Band.json(result.stepsFactor)),
            ("steps_factor_loss", .optional(result.factorLoss)), ("least_loss", .optional(result.task.floor)),
            ("parameters", .integer(result.task.parameters)), ("gradient_s", .number(gradientSeconds)),
            ("exchange_s", .number(exchangeSeconds)), ("curves", .array(result.points.map(point))),
        ])
    }

    private func point(_ point: CosimResult.Point) -> JSONValue {
        .object([
            ("update", .integer(point.update)), ("step", .integer(point.step)), ("tokens", .number(point.tokens)),
            ("time_s", .number(point.seconds)), ("usd", .number(point.usd)), ("joules", .number(point.joules)), ("loss", point.loss.json),
        ])
    }

    private var staleness: JSONValue {
        let shares = result.staleness
        func quantile(_ q: Double) -> Double {
            var sum = 0.0
            for (lag, share) in shares.enumerated() {
                sum += share
                if sum >= q - 1e-12 { return Double(lag) }
            }
            return Double(max(0, shares.count - 1))
        }
        return .object([
            ("mean", .number(result.meanStaleness)), ("p50", .number(quantile(0.5))), ("p95", .number(quantile(0.95))),
            ("histogram", .array(shares.map { .number($0) })),
        ])
    }

    /// A header and a row for each point of the curve.
    public static func cells(_ answers: [TrainAnswer]) -> [[String]] {
        [["scenario", "update", "step", "tokens", "time_s", "usd", "joules", "loss", "loss_p5", "loss_p95"]]
            + answers.flatMap { answer in
                answer.result.points.map { point in
                    [answer.name, "\(point.update)", "\(point.step)"]
                        + [point.tokens, point.seconds, point.usd, point.joules, point.loss.mean, point.loss.p5, point.loss.p95].map {
                            "\($0)"
                        }
                }
            }
    }
}

extension TrainProjection.Payment {
    /// On which networks the method pays.
    public var words: String {
        switch self {
        case .always: "on every network"
        case .never: "on no network"
        case .below(let factor): "on networks below \(significant(factor)) x the target's"
        case .above(let factor): "on networks above \(significant(factor)) x the target's"
        }
    }
}

extension TrainProjection {
    var json: JSONValue {
        func value(_ run: Run?) -> JSONValue {
            guard let run else { return .null }
            return .object([
                ("steps", .number(run.steps)), ("step_s", .number(run.secondsPerStep)), ("days", .number(run.days)),
                ("usd", .number(run.usd)),
            ])
        }
        return .object([
            ("synchronous", value(synchronous)), ("own", value(own)), ("own_p5", value(low)), ("own_p95", value(high)),
            ("pays", .optional(payment?.words)),
        ])
    }
}
