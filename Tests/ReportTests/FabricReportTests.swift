import Calibration
import Cluster
import Foundation
import Plan
import Simulation
import Studies
import TestSupport
import Testing
import Workload

@testable import Report

@Suite("Links in reports")
struct FabricReportTests {
    /// Experts over four nodes on a thin leaf-spine network: all-to-all on every tier.
    static func report(network: NetworkModel) throws -> RunAnswer {
        let job = try JobFixture("mixtral-8x7b", tensor: 2, pipeline: 2, data: 16).job {
            $0.cluster.interNode?.form.rails = 1
            $0.cluster.interNode?.form.radix = 20
            $0.cluster.interNode?.form.levels = 2
            $0.cluster.interNode?.form.oversubscription = 4
            ($0.layout.expert, $0.layout.expertTensor, $0.training.globalBatch) = (8, 1, 128)
        }
        var settings = SimulationSettings()
        settings.network = network
        settings.timeline = false
        var report = try Fixture.report()
        report.result = try simulate(job.plan(CalibrationData.shipped()), settings: settings)
        return report
    }

    @Test("JSON lists links and waits under traffic_bytes with flows, and not without")
    func json() throws {
        let report = try Self.report(network: .flow)
        let whole = try #require(try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
        let traffic = try #require(whole["traffic_bytes"] as? [String: Any])
        let links = try #require(traffic["links"] as? [[String: Any]])
        #expect((1...10).contains(links.count))
        var last = 1.0
        for link in links {
            let utilization = try #require(link["utilization"] as? Double)
            #expect(utilization <= last && utilization > 0)
            last = utilization
            #expect((link["series"] as? [Double])?.count == FabricLoad.seriesCount)
            let bytes = try #require(link["bytes"] as? Double)
            let groups = try #require(link["by_group"] as? [String: Double])
            #expect(abs(groups.values.reduce(0, +) / bytes - 1) < 1e-9)
            #expect((link["name"] as? String)?.contains(" to ") == true)
        }
        let waits = try #require(traffic["waits"] as? [[String: Any]])
        #expect(waits.contains { ($0["link"] as? String)?.contains("leaf") == true })
        #expect(try !Self.report(network: .alphaBeta).json().contains("\"links\""))
    }

    @Test("the terminal lists the hottest links and who waited, within its width")
    func terminal() throws {
        let text = try Self.report(network: .flow).summary(style: .plain)
        #expect(text.contains("Hottest links") && text.contains("Waits") && text.contains(" lost "))
        let block = text.components(separatedBy: "Hottest links")[1].components(separatedBy: "\n\n")[0]
        for line in block.split(separator: "\n") { #expect(line.count <= TextStyle.plain.width, "\(line)") }
        #expect(try !Self.report(network: .alphaBeta).summary(style: .plain).contains("Hottest links"))
    }

    @Test("the page draws links over time and the topology, every line with its load")
    func page() throws {
        let report = try Self.report(network: .flow)
        let html = RunAnswer.html(of: [report], chart: nil)
        #expect(html.contains("data-chart=\"links\"") && html.contains("Topology of the network"))
        let fabric = try #require(report.result.fabric)
        let picture = try #require(fabric.picture)
        #expect(html.components(separatedBy: "<line ").count - 1 == picture.edges.count)
        #expect(picture.edges.contains { $0.utilization > 0.05 } && picture.boxes.contains { $0.tier == 2 })
        #expect(!html.contains("hsl(-") && FabricSection.colour(.nan) == FabricSection.colour(1))
        #expect(try !RunAnswer.html(of: [Self.report(network: .alphaBeta)], chart: nil).contains("data-chart=\"links\""))
    }
}
