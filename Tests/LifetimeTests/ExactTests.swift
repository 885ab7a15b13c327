import Foundation
import Lifetime
import Testing

@Suite("Runs of weeks against formulas")
struct ExactTests {
    static let hour = 3600.0
    static let day = 86_400.0

    /// A run of one exponential cause for the whole job.
    static func plan(mttf: Double, restart: Double, interval: Double, stall: Double, work: Double) -> RunPlan {
        var plan = RunPlan(fleet: Fleet(nodes: 1), goal: .work(work))
        plan.causes = [FailureCause("failure", per: .job, mtbf: mttf)]
        plan.checkpoint = CheckpointPlan(interval: interval, stall: stall)
        plan.restart.requeue = .constant(restart)
        return plan
    }

    /// Mean of `figure` within three standard errors of `exact`.
    static func expect(
        _ plan: RunPlan, _ exact: Double, samples: Int = 10_000, _ figure: (RunSample) -> Double = { $0.wallClock },
        location: SourceLocation = #_sourceLocation
    ) throws {
        let study = try RunStudy(plan, .init(samples: samples, seed: 7, jobs: 2))
        let (mean, error) = (study.mean(figure), study.standardError(figure))
        #expect(abs(mean - exact) <= 3 * error + 1e-9 * exact, "\(mean) for \(exact), standard error \(error)", sourceLocation: location)
    }

    @Test("Nothing fails: the ideal, to the nanosecond")
    func ideal() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 100), goal: .work(1234 * 7.25))
        plan.step = 7.25
        #expect(try RunStudy(plan, .init()).samples.map(\.wallClock) == [1234 * 7.25])
    }

    @Test("Daly's complete formula over a hundredfold of MTTF", arguments: [1.0, 4, 24, 100], [true, false])
    func daly(hours: Double, exposed: Bool) throws {
        let (m, r, tau, d, n) = (hours * Self.hour, 700.0, 2000.0, 90.0, 25.0)
        var plan = Self.plan(mttf: m, restart: r, interval: tau, stall: d, work: n * tau)
        plan.failsDuringRecovery = exposed
        let exact = exposed ? n * m * exp(r / m) * expm1((tau + d) / m) : n * (m + r) * expm1((tau + d) / m)
        #expect(abs(IntervalAccount(plan).expectedWallClock(interval: tau) / exact - 1) < 1e-12)
        try Self.expect(plan, exact)
    }

    @Test("Asynchronous writes, with and without slowing training", arguments: [0, 0.05, 0.3])
    func asynchronous(slowdown f: Double) throws {
        let (m, r, tau, s, w, n) = (3 * Self.hour, 400.0, 1200.0, 15.0, 500.0, 40.0)
        var plan = Self.plan(mttf: m, restart: r, interval: tau, stall: s, work: n * tau)
        plan.checkpoint.write = w
        plan.checkpoint.slowdown = f
        let a = tau + s + w * f / (1 + f)
        let middle = m * exp((r + w) / m) * -expm1(-a / m) * exp((tau + s) / m)
        let first = m * exp(r / m) * expm1((tau + s + w) / m)
        let last = m * exp(r / m) * exp((tau + s) / m) * -expm1(-(a - w) / m)
        let exact = first + (n - 2) * middle + last
        #expect(abs(IntervalAccount(plan).expectedWallClock(interval: tau) / exact - 1) < 1e-12)
        try Self.expect(plan, exact)
    }

    @Test("A warm-up that fits in an interval adds its extra time to the restart")
    func warmUp() throws {
        let (m, r, tau, d, n, warm) = (2 * Self.hour, 300.0, 1800.0, 45.0, 30.0, 150.0)
        var plan = Self.plan(mttf: m, restart: r, interval: tau, stall: d, work: n * tau)
        plan.restart.warmUp = warm
        try Self.expect(plan, n * m * exp((r + warm) / m) * expm1((tau + d) / m))
    }

    @Test(
        "Waiting for spares is Erlang's B with one server more, for any repair", arguments: [1, 3],
        ["exponential", "lognormal", "constant"])
    func erlang(spares: Int, repair: String) throws {
        var plan = RunPlan(fleet: Fleet(nodes: 80), goal: .duration(800 * Self.day))
        let law: DurationLaw =
            switch repair {
            case "exponential": .exponential(mean: 30 * Self.hour)
            case "lognormal": .lognormal(median: 30 * Self.hour * exp(-0.5), sigma: 1)
            default: .constant(30 * Self.hour)
            }
        plan.causes = [FailureCause("node", per: .node, mtbf: 60 * Self.day, repair: law)]
        plan.spares = Spares(warm: spares)
        let offered = 80.0 / 60 * 30 / 24
        var blocked = 1.0
        for servers in 1...(spares + 1) { blocked = offered * blocked / (Double(servers) + offered * blocked) }
        try Self.expect(plan, blocked, samples: 120) { $0[.waiting] / $0.wallClock }
    }

    @Test("AIReSim's default is arithmetic when no work is lost: 6,144 h and 11,145.6 restarts of 20 minutes")
    func airesim() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 4096), goal: .work(6144 * Self.hour))
        plan.causes = [
            FailureCause("random", per: .node, mtbf: 100 * Self.day),
            FailureCause("systematic", per: .job, mtbf: 6144 * Self.hour / (11_145.6 - 10_485.76)),
        ]
        plan.failsDuringRecovery = false
        plan.checkpoint.losesWork = false
        plan.restart.requeue = .constant(1200)
        try Self.expect(plan, (6144 + 11_145.6 / 3) * Self.hour, samples: 60)
        try Self.expect(plan, 11_145.6, samples: 60) { Double($0.interruptions) }
    }

    @Test("Silent corruption: one that nobody finds taints the run, one that is found costs the work since its onset")
    func corruption() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 1), goal: .work(10 * Self.hour))
        plan.checkpoint = CheckpointPlan(interval: Self.hour, stall: 60)
        plan.restart.requeue = .constant(100)
        plan.causes = [
            FailureCause("corruption", per: .job, mtbf: .infinity, law: .trace([9000]), isSilent: true, detect: .constant(7200))
        ]
        // 9,000 s is 1,680 s into the third interval; found at 16,200 s, it goes back to the checkpoint of 2 h of work at 7,320 s.
        let found = try RunStudy(plan, .init()).samples[0]
        #expect(found.wallClock == 16_200 + 100 + 8 * 3660)
        #expect(found.ending == .finished)
        plan.causes[0].detect = .constant(40 * Self.hour)
        let lost = try RunStudy(plan, .init()).samples[0]
        #expect(lost.ending == .tainted)
        #expect(lost.wallClock == 10 * 3660)
        // With one checkpoint kept, none is older than the onset.
        plan.causes[0].detect = .constant(7200)
        plan.checkpoint.keep = 1
        let again = try RunStudy(plan, .init()).samples[0]
        #expect(again.startedOver == 1)
        #expect(again.wallClock == 16_200 + 100 + 10 * 3660)
    }

    @Test("Renewal clocks in equilibrium fail at 1/MTBF from the start", arguments: [0.5, 0.7, 3])
    func equilibrium(shape: Double) throws {
        var plan = RunPlan(fleet: Fleet(nodes: 50), goal: .duration(40 * Self.day))
        plan.causes = [FailureCause("node", per: .node, mtbf: 80 * Self.day, law: .weibull(shape: shape))]
        try Self.expect(plan, 25, samples: 4000) { Double($0.interruptions) }
        plan.causes[0].law = .gamma(shape: shape)
        try Self.expect(plan, 25, samples: 4000) { Double($0.interruptions) }
        plan.causes[0].law = .lognormal(cv: shape)
        try Self.expect(plan, 25, samples: 4000) { Double($0.interruptions) }
    }

    @Test("Lemons raise the mean rate by their share, and large runs are free of them")
    func lemons() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 32), goal: .duration(50 * Self.day))
        plan.causes = [FailureCause("node", per: .node, mtbf: FailureCause.mtbf(per1000NodeDays: 6.5))]
        plan.lemons = Lemons(share: 0.05, factor: 20, screenedAbove: 1024)
        let healthy = 32 * 50 * 0.0065
        try Self.expect(plan, healthy * (1 + 0.05 * 19), samples: 20_000) { Double($0.interruptions) }
        plan.lemons?.keepsMean = true
        try Self.expect(plan, healthy, samples: 20_000) { Double($0.interruptions) }
        plan.lemons?.screenedAbove = 128
        plan.lemons?.keepsMean = false
        try Self.expect(plan, healthy, samples: 20_000) { Double($0.interruptions) }
    }

    @Test("Slow machines: a share from the start, and spells with their own length")
    func slow() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 16), goal: .work(20 * Self.day))
        plan.slow = [SlowPlan(share: 0.05, pace: 1.1)]
        try Self.expect(plan, 20 * Self.day * (1 + 0.1 * (1 - pow(0.95, 16))))
        // Spells that do not overlap much: the share of work beside one is rate times length over (1 + that).
        plan.slow = [SlowPlan(rate: 1 / (100 * Self.day), pace: 1.5, lasts: .constant(3600))]
        plan.goal = .work(400 * Self.day)
        let study = try RunStudy(plan, .init(samples: 4000, seed: 3, jobs: 2))
        #expect(abs(study.mean { $0[.degraded] } - 4 * 1200) < 150)
    }

    @Test("Maintenance stops the run on time and loses no work")
    func maintenance() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 4), goal: .work(10 * Self.day))
        plan.maintenance = Maintenance(every: 3 * Self.day, lasts: 4 * Self.hour)
        plan.checkpoint = CheckpointPlan(interval: Self.hour, stall: 0)
        plan.restart.requeue = .constant(600)
        let sample = try RunStudy(plan, .init()).samples[0]
        #expect(sample.maintenances == 3)
        #expect(abs(sample.wallClock - (10 * Self.day + 3 * (4 * Self.hour + 600))) < 1e-3)
        #expect(sample[.recomputed] == 0)
    }
}
