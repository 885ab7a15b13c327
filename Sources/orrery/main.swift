import Fidelity
import Plan
import Report
import Scenario
import Foundation
let data = try CalibrationData.shipped()
var prepared: [PreparedRun] = []
for path in CommandLine.arguments.dropFirst() {
    for run in try MeasuredRuns.read(path: path) { prepared.append(try PreparedRun(run, data: data)) }
}
let cv = try CrossValidation(fit: ProfileFit(runs: prepared, data: data), iterations: 6, refine: 1, progress: { print("#", $0) })
for (i, p) in prepared.enumerated() {
    let t = p.run.stepTimeS
    print(p.run.id, p.run.framework, p.run.hardware, t, cv.leftOut[i], "\(((cv.leftOut[i] / t - 1) * 1000).rounded() / 10)%", "\(((cv.inSample[i] / t - 1) * 1000).rounded() / 10)%", p.run.completeness ?? "-", p.run.weight)
}
let profile = cv.fit.profile(cv.solution, residual: cv.residualSpread, provenance: "fit")
try profile.yaml.write(toFile: "/tmp/profile.yaml", atomically: true, encoding: .utf8)
