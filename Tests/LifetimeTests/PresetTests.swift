import Lifetime
import Testing

@Suite("Presets of failures against the runs that they come from")
struct PresetTests {
    private func run(_ name: String, gpus: Int? = nil, _ change: (inout RunPlan) -> Void = { _ in }) throws -> RunStudy {
        let preset = try #require(FailurePreset.named(name))
        var plan = preset.publishedRun
        if let gpus { plan.fleet.nodes = gpus / preset.gpusPerNode }
        change(&plan)
        return try RunStudy(plan, .init(samples: 400, seed: 11, jobs: 2))
    }

    private func effective(_ study: RunStudy) -> Double { study.mean { $0.work / $0.wallClock } }

    @Test("Every number has a source, every cause a rate, and names do not repeat")
    func sources() {
        #expect(FailurePreset.all.count >= 10)
        #expect(Set(FailurePreset.all.map(\.name)).count == FailurePreset.all.count)
        for preset in FailurePreset.all {
            #expect(!preset.source.isEmpty && !preset.assumed.isEmpty && !preset.about.isEmpty && !preset.causes.isEmpty, "\(preset.name)")
            #expect(Set(preset.causes.map(\.name)).count == preset.causes.count)
            for cause in preset.causes { #expect(cause.mtbf > 0 && !cause.source.isEmpty, "\(preset.name): \(cause.name)") }
        }
    }

    @Test("Llama 3: 419 interruptions in 54 days, 47 planned stops, effective time above 0.90")
    func llama() throws {
        let study = try run("llama3-2024")
        // The published count is one draw: three of its own standard deviations, and those of the mean.
        #expect(abs(study.mean { Double($0.interruptions) } - 419) < 3 * 20.5)
        #expect(abs(study.mean { Double($0.interruptions) } - 419) < 3 * study.standardError { Double($0.interruptions) } + 0.5)
        #expect(abs(study.mean { Double($0.maintenances) } - 46.5) < 1)
        print("llama3 effective", effective(study))
        #expect(effective(study) > 0.88 && effective(study) < 0.94)
        for (interval, stall, restart) in [(300.0, 2.0, 180.0), (600, 5, 240), (900, 15, 240)] {
            let other = try run("llama3-2024") {
                $0.checkpoint = CheckpointPlan(interval: interval, stall: stall)
                $0.restart = RestartPlan()
                $0.restart.requeue = .constant(restart)
            }
            print("llama3", interval, stall, restart, effective(other))
            #expect(effective(other) > 0.88 && effective(other) < 0.945)
        }
    }

    @Test("RSC-1: mean time to failure at 8, 1,024 and 16,384 GPUs")
    func rsc() throws {
        for (gpus, hours, allowed) in [(8, 47.7 * 24, 0.25), (1024, 7.9, 0.25), (16_384, 1.8, 0.05)] {
            // Short runs of many samples: with few nodes it is the lemons among them that fail.
            let study = try run("rsc-1", gpus: gpus) { $0.goal = .duration(gpus == 8 ? 330 * 86_400 : 20 * 86_400) }
            print("rsc-1", gpus, study.mttf / 3600, study.plan.mttf / 3600)
            #expect(abs(study.mttf / 3600 / hours - 1) < allowed, "\(gpus): \(study.mttf / 3600) h")
            #expect(abs(study.plan.mttf / 3600 / hours - 1) < allowed)
        }
        // The published first-order formula: (1 - N r (u0 + dt/2)) / (1 + w/dt).
        let study = try run("rsc-1", gpus: 2048) {
            $0.goal = .work(30 * 86_400)
            $0.restart = RestartPlan()
            $0.restart.requeue = .constant(300)
            $0.causes[0].detect = .none
        }
        let failuresAnHour: Double = 256 * 6.5 / 1000 / 24
        let lostHours: Double = (300 + 1800) / 3600
        let formula = 1 - failuresAnHour * lostHours
        print("rsc-1 ETTR", effective(study), formula)
        #expect(abs(effective(study) / formula - 1) < 0.02)
    }

    @Test("BLOOM's checkpoints cost 0.38 %, MegaScale restarts a hundred times, ByteRobust 175")
    func others() throws {
        let bloom = try run("bloom-2022")
        let overhead = bloom.mean { $0[.checkpoints] / ($0[.useful] + $0[.recomputed]) }
        print("bloom", overhead, effective(bloom))
        #expect(abs(overhead - 0.0038) < 0.0003)
        let megascale = try run("megascale-2024")
        print("megascale", megascale.mean { Double($0.interruptions) }, effective(megascale))
        #expect(abs(megascale.mean { Double($0.interruptions) } - 100) < 3)
        #expect(effective(megascale) > 0.9)
        let byterobust = try run("byterobust-2025") {
            $0.checkpoint.interval = 60
        }
        print("byterobust", byterobust.mean { Double($0.interruptions) }, effective(byterobust))
        #expect(abs(byterobust.mean { Double($0.interruptions) } - 175) < 8)
        #expect(effective(byterobust) > 0.95)
        let glm = try run("glm-130b")
        print("glm", glm.mean { Double($0.interruptions) }, effective(glm))
        #expect(abs(glm.mean { Double($0.interruptions) } - 10) < 1)
        let opt = try run("opt-2021")
        print("opt", opt.mean { Double($0.interruptions) }, effective(opt))
        let b200 = try run("b200-2026")
        print("b200", b200.mean { Double($0.interruptions) }, effective(b200))
        #expect(abs(b200.mean { Double($0.interruptions) } - 97) < 4)
    }
}
