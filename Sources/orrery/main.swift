import Fidelity
import Plan
import Report
import Scenario
let data = try CalibrationData.shipped()
for path in CommandLine.arguments.dropFirst() {
    for run in try MeasuredRuns.read(path: path) {
        do {
            let p = try PreparedRun(run, data: data)
            let s = try p.seconds()
            print(run.id, run.framework, run.hardware, run.stepTimeS, s, "\(((s / run.stepTimeS - 1) * 1000).rounded() / 10)%", p.plan.memory.peak(MemoryEstimate.measure(of: p.plan.job)) * 1e-9, run.memoryGB ?? 0)
        } catch { print(run.id, "FAILED", error) }
    }
}
