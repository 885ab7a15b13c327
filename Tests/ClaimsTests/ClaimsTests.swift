import Foundation
import Quantities
import Studies
import Testing

@testable import Claims

@Suite("Claims") struct ClaimsTests {
    @Test func everyClaimHasItsFilesAndRows() throws {
        let claims = try Claim.all()
        #expect(Set(claims.map(\.id)).count == claims.count && claims.map(\.id) == claims.map(\.id).sorted())
        let record = try NumericsRecord.shipped()
        for claim in claims {
            for measure in claim.measures {
                #expect(measure.bound.least != nil || measure.bound.most != nil, "\(claim.id): \(measure.what)")
                switch measure.question {
                case .experiment(let experiment): _ = try ClaimScenarios.text(experiment.scenario)
                case .optimum(let file), .collective(let file, _, _): _ = try ClaimScenarios.text(file)
                case .recorded(let row): _ = try record.row(row)
                case .product(let factors): #expect(factors.count >= 2)
                case .peak: break
                }
            }
        }
    }

    @Test func verdictsFollowTheMeasures() {
        func measure(_ values: [Double], least: Double, isLimit: Bool = false) -> MeasureAnswer {
            let bound = ClaimBound(least: least)
            return MeasureAnswer(
                what: "x", unit: "", bound: bound, isLimit: isLimit, value: values[0], low: values.min()!, high: values.max()!,
                points: values.map { .init(conditions: "\($0)", value: $0, holds: bound.holds($0)) }, source: "")
        }
        let claim = Claim(id: "C99", topic: "", claim: "", mechanism: "", otherwise: "", measures: [])
        func verdict(_ measures: MeasureAnswer...) -> ClaimAnswer.Verdict { ClaimAnswer(claim: claim, measures: measures).verdict }
        #expect(verdict(measure([3, 4], least: 2)) == .holds)
        #expect(verdict(measure([1, 4], least: 2)) == .partly)
        #expect(verdict(measure([1, 1.5], least: 2)) == .doesNotHold)
        #expect(verdict(measure([1], least: 2), measure([5], least: 2)) == .partly)
        #expect(verdict(measure([1], least: 2, isLimit: true), measure([5], least: 2)) == .impossible)
        #expect(measure([1, 4], least: 2).conditions == "reached with 4.0")
    }

    /// C05's hours by hand: 85,000 x 95 ms = 2.24 h, 120,000 x 120 ms = 4 h; C14: 312 TFLOP/s is all that an A100 has.
    @Test func arithmeticAndDataSheetsSettleTwo() throws {
        let study = ClaimStudy(study: try Study.shipped())
        let claims = try Claim.all()
        let hours = try study.answer(try #require(claims.first { $0.id == "C05" }))
        #expect(hours.verdict == .impossible)
        #expect(abs(hours.measures[0].value - 2.2431) < 1e-4 && abs(hours.measures[1].value - 4) < 1e-9)
        let peak = try study.answer(try #require(claims.first { $0.id == "C14" }))
        #expect(peak.verdict == .impossible && peak.measures[0].value == 312)
    }

    /// What reports/claims/verdicts.md says of each claim that is quickly measured is what is measured now.
    @Test func recordedVerdictsAreThoseOfToday() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "reports/claims/verdicts.md"), encoding: .utf8)
        let study = ClaimStudy(study: try Study.shipped())
        for claim in try Claim.all() where !["C22", "C25", "C29", "C38", "C39"].contains(claim.id) {
            let answer = try study.answer(claim)
            #expect(
                text.contains("| \(claim.id) | \(claim.topic) | \(answer.verdict.rawValue) |"), "\(claim.id): \(answer.verdict.rawValue)")
        }
    }
}
