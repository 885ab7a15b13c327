import Foundation
import Lifetime
import Quantities
import Testing

@Suite("Monte Carlo of runs")
struct StudyTests {
    static let day = 86_400.0

    static var busy: RunPlan {
        var plan = RunPlan(fleet: Fleet(nodes: 256), goal: .work(30 * day))
        plan.step = 12.5
        plan.causes = [
            FailureCause("gpu", per: .gpu, mtbf: 40_000 * 3600, detect: .lognormal(median: 60, p95: 600), repair: .constant(day)),
            FailureCause("rack", per: .rack, mtbf: 900 * day, repair: .exponential(mean: 0.3 * day)),
            FailureCause("age", per: .node, mtbf: 300 * day, law: .weibull(shape: 0.8), repair: .constant(day)),
            FailureCause("corruption", per: .job, mtbf: 10 * day, isSilent: true, detect: .exponential(mean: 7200)),
        ]
        plan.checkpoint = CheckpointPlan(interval: 1800, stall: 5, write: 120, slowdown: 0.02)
        plan.restart.requeue = .uniform(from: 60, to: 240)
        plan.restart.warmUp = 100
        plan.spares = Spares(warm: 4)
        plan.slow = [SlowPlan(rate: 1 / (5 * day), pace: 1.2, lasts: .exponential(mean: 6 * 3600), evictAfter: .constant(600))]
        plan.maintenance = Maintenance(every: 14 * day, lasts: 4 * 3600)
        return plan
    }

    @Test("Threads change nothing")
    func threads() throws {
        let one = try RunStudy(Self.busy, .init(samples: 101, seed: 5, jobs: 1))
        let many = try RunStudy(Self.busy, .init(samples: 101, seed: 5, jobs: 7))
        #expect(one.samples.map(\.wallClock) == many.samples.map(\.wallClock))
        #expect(one.samples.map(\.byCause) == many.samples.map(\.byCause))
        #expect(Set(one.samples.map(\.wallClock)).count > 90)
    }

    @Test("The parts of a run add up to it, whatever strikes")
    func parts() throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            for sample in try RunStudy(Self.busy, .init(samples: 50, seed: seed)).samples {
                let sum = TimePart.allCases.reduce(0) { $0 + sample[$1] }
                #expect(abs(sum - sample.wallClock) < 1e-6 * sample.wallClock)
                #expect(abs(sample[.useful] - 30 * Self.day) < 1e-3)
                #expect(TimePart.allCases.allSatisfy { sample[$0] >= -1e-6 })
            }
        }
    }

    @Test("The log of sample 0 tells the same run, event by event")
    func log() throws {
        let study = try RunStudy(Self.busy, .init(samples: 3, seed: 5, logs: true))
        #expect(zip(study.events, study.events.dropFirst()).allSatisfy { $0.time <= $1.time })
        #expect(abs((study.events.last?.time ?? 0) - study.samples[0].wallClock) < 1e-3)
        let failures = study.events.count { $0.kind == .failure || $0.kind == .corruption }
        #expect(failures == study.samples[0].interruptions)
    }

    @Test("Variants meet the same failures, so their difference is far less noisy than they are")
    func commonNumbers() throws {
        var slower = Self.busy
        slower.restart.requeue = .uniform(from: 120, to: 300)
        let a = try RunStudy(Self.busy, .init(samples: 200, seed: 9)).samples.map(\.wallClock)
        let b = try RunStudy(slower, .init(samples: 200, seed: 9)).samples.map(\.wallClock)
        let differences = zip(a, b).map { $1 - $0 }
        func deviation(_ x: [Double]) -> Double {
            let mean = x.reduce(0, +) / Double(x.count)
            return (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)).squareRoot()
        }
        #expect(differences.reduce(0, +) > 0)
        #expect(deviation(differences) < 0.5 * deviation(a))
    }

    @Test("What cannot be is said, and what can never finish too")
    func refusals() throws {
        var plan = Self.busy
        plan.causes[0].mtbf = 0
        #expect(throws: Fault.self) { try plan.check() }
        plan = ExactTests.plan(mttf: 60, restart: 600, interval: 1800, stall: 5, work: 1e6)
        let error = #expect(throws: Fault.self) { try RunStudy(plan, .init()) }
        #expect(error?.reason.contains("never finish") == true)
        plan = ExactTests.plan(mttf: 3600, restart: 60, interval: .infinity, stall: 0, work: 30 * Self.day)
        let other = #expect(throws: Fault.self) { try RunStudy(plan, .init()) }
        #expect(other?.reason.contains("no checkpoint") == true)
        #expect(throws: Fault.self) { try CapacityTrace(rows: [(0, 3), (50, 4), (20, 5)]) }
        #expect(throws: Fault.self) { try CapacityTrace(rows: []) }
    }

    @Test("A study that is stopped keeps what is done")
    func stop() throws {
        let study = try RunStudy(Self.busy, .init(samples: 500, seed: 1), isStopped: { true })
        #expect(study.wasStopped)
        #expect(study.samples.isEmpty)
    }
}
