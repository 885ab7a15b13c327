import Calibration
import Fidelity
import Foundation
import Plan
import Report
import Scenario
import Simulation

var data = try CalibrationData.shipped()
let detail = ProcessInfo.processInfo.environment["DETAIL"]
if let path = ProcessInfo.processInfo.environment["PROFILE"] { data.profiles = try ProfileTable(yaml: String(contentsOfFile: path, encoding: .utf8)) }
var prepared: [PreparedRun] = []
for path in CommandLine.arguments.dropFirst() {
    for run in try MeasuredRuns.read(path: path) {
        if let detail {
            guard run.id.contains(detail), let job = run.job else { continue }
            let plan = try job.plan(data)
            let r = try simulate(plan)
            print(run.id, "measured", run.stepTimeS, "predicted", r.step.timeS.mean, "p", plan.job.layout.pipeline, "m", plan.job.microBatches, "t", plan.job.layout.tensor, "dp", plan.job.data, "v", plan.job.layout.virtual, "b", plan.job.training.microBatch)
            for a in Activity.allCases where (r.breakdownS[a] ?? 0) > 0 { print("   ", a.rawValue, r.breakdownS[a]!) }
            print("   data", plan.costs.data.map(\.reduce).reduce(0, +), plan.costs.data.map(\.gather).reduce(0, +), "F", plan.costs.stages.map(\.forward.total), "hop", plan.costs.hop)
            continue
        }
        prepared.append(try PreparedRun(run, data: data))
    }
}
if detail == nil {
    let cv = try CrossValidation(fit: ProfileFit(runs: prepared, data: data), iterations: 6, refine: Int(ProcessInfo.processInfo.environment["REFINE"] ?? "1")!, progress: { print("#", $0) })
    for (i, p) in prepared.enumerated() {
        let t = p.run.stepTimeS
        print(p.run.id, p.run.framework, p.run.hardware, t, cv.leftOut[i], "\(((cv.leftOut[i] / t - 1) * 1000).rounded() / 10)%", "\(((cv.inSample[i] / t - 1) * 1000).rounded() / 10)%", p.run.completeness ?? "-", p.run.weight)
    }
    let profile = cv.fit.profile(cv.solution, residual: cv.residualSpread, provenance: "fit")
    try profile.yaml.write(toFile: "/tmp/profile.yaml", atomically: true, encoding: .utf8)
}
