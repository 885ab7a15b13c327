import Calibration
import Foundation
import Plan
import Scenario
import Testing

@testable import Fidelity

/// The settings of a published scan that ended in an error, against those that ran: the estimate of memory has to tell them apart.
@Suite struct FailedSettingsTests {
    private static let folder = ProcessInfo.processInfo.environment["ORRERY_SHARED"] ?? "../shared"
    private static let failed = "\(folder)/truth2/other/nanotron_ultrascale_failed.csv"
    private static let done = "\(folder)/truth2/nanotron_ultrascale.csv"

    /// Share of the capacity that a row needs; infinite where its layout cannot be planned at all.
    private static func need(_ file: String) throws -> [Double] {
        // Nobody timed what failed: any number stands for the seconds, so that the row is read.
        let text = try String(contentsOfFile: file, encoding: .utf8).replacing(",nanotron,,", with: ",nanotron,1,")
        let data = try CalibrationData.shipped()
        return try MeasuredRuns.read(csv: text, file: file).map { run in
            guard let plan = try? run.job?.plan(data) else { return .infinity }
            return plan.emptyStages > 1 ? .infinity : plan.memory.peak / plan.memory.capacity
        }
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: FailedSettingsTests.failed), "needs ../shared/truth2/other (or ORRERY_SHARED)"))
    func failedSettingsNeedMore() throws {
        let (bad, good) = (try Self.need(Self.failed), try Self.need(Self.done))
        try #require(bad.count > 500 && good.count > 900)
        // Area under the curve: how often a failed setting needs more than one that ran.
        var above = 0.0
        for a in bad { for b in good { above += a > b ? 1 : a == b ? 0.5 : 0 } }
        let area = above / Double(bad.count * good.count)
        let refused = Double(bad.count { $0 > 1 }) / Double(bad.count)
        let wrong = Double(good.count { $0 > 1 }) / Double(good.count)
        print("failed settings: area under the curve \(area), \(refused) of them above the capacity, \(wrong) of those that ran")
        #expect(area > 0.93)
    }
}
