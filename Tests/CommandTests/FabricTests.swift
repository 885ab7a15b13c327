import Foundation
import Testing

@Suite struct FabricTests {
    /// The worked example of the fabric's rules: two flows into host 9 and one that leaves host 0 later; equal shares.
    @Test func threeFlowsFinishWhenTheRulesSay() throws {
        let folder = try Folder()
        let cluster = try folder.write(
            "{hosts: 32, topology: {kind: fat_tree, hosts_per_leaf: 8, spines: 4, link: {bandwidth: 100 Gb/s, latency: 1 us}}}\n",
            as: "net.yaml")
        let flows = try folder.write(
            "start_s,source,destination,bytes\n0,0,9,30000000\n0,10,9,20000000\n0.001,0,10,10000000\n", as: "flows.csv")
        let outcome = try Program.run("traffic", "--cluster", cluster, "--flows", flows, "--json")
        #expect(outcome.status == 0)
        let flowsOut = try #require(try object(outcome.output)["flows"] as? [[String: Any]])
        let finish = flowsOut.compactMap { $0["finish_s"] as? Double }
        // A and B share host 9's port at 6.25 GB/s; C takes half of host 0's: C ends at 2.604 ms, B at 3.200 ms, A at 4.002 ms.
        for (found, expected) in zip(finish, [4.002e-3, 3.200e-3, 2.604e-3]) { #expect(abs(found - expected) < 1e-6) }
        #expect(finish.count == 3)
    }

    /// Ring all-reduce of 64 MiB over 4 hosts of 12.5 GB/s: at least 1.5 x 64 MiB / 12.5 GB/s = 8.05 ms.
    @Test func collectiveTableHoldsTheRingsTime() throws {
        let folder = try Folder()
        let cluster = try folder.write("{hosts: 4, topology: {kind: star, link: {bandwidth: 100 Gb/s, latency: 1 us}}}\n", as: "net.yaml")
        let arguments = [
            "collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "4", "--from", "64M", "--to", "64M", "--json",
        ]
        let outcome = try Program.run(arguments + ["--algorithm", "ring"])
        #expect(outcome.status == 0)
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        let time = try #require(rows.first?["microseconds"] as? Double)
        let bound = 1.5 * 67_108_864 / 12.5e9 * 1e6
        #expect(time >= bound && time < bound * 1.01)
    }

    @Test(arguments: [
        ["collective", "--cluster", "no-such-file", "--op", "all_reduce", "--ranks", "4"],
        ["traffic", "--cluster", "no-such-file", "--flows", "none"],
    ])
    func missingFilesExitWith2(arguments: [String]) throws {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("no-such-file"))
    }

    /// 16 ranks on two H100 nodes of a scenario: NVLink inside, eight ports between; far above one port's 50 GB/s, below NVLink's 450 GB/s.
    @Test func scenarioGivesItsCluster() throws {
        let scenario = URL(fileURLWithPath: #filePath).appending(path: "../../../scenarios/llama3-405b-16k.yaml").standardized.path
        let outcome = try Program.run(
            ["collective", "--cluster", scenario, "--op", "all_reduce", "--ranks", "16", "--from", "256M", "--to", "256M", "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        let bus = try #require(rows.first?["busbw"] as? Double)
        #expect(bus > 50 && bus < 450)
    }

    /// One flow of 45 GB between two GPUs of a node of the scenario: NVLink's 450 GB/s and some microseconds of latency.
    @Test func flowsRunOnTheClusterOfAScenario() throws {
        let folder = try Folder()
        let scenario = URL(fileURLWithPath: #filePath).appending(path: "../../../scenarios/llama3-405b-16k.yaml").standardized.path
        let flows = try folder.write("start_s,source,destination,bytes\n0,0,1,45 GB\n", as: "flows.csv")
        let outcome = try Program.run("traffic", "--cluster", scenario, "--flows", flows, "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let end = try #require(try object(outcome.output)["end_s"] as? Double)
        #expect(end >= 0.1 && end < 0.101, "\(end)")
    }

    @Test(arguments: [
        ("0,0,1,\"1,000\"\n", ":2:1: the row has 5 fields, the header 4"), ("0,0,1\n", ":2:1: the row has 3 fields, the header 4"),
        ("", "no flow stands below the header"),
    ])
    func rowsThatAreNoFlowsAreRefused(rows: String, says: String) throws {
        let folder = try Folder()
        let cluster = try folder.write("{hosts: 4, topology: {kind: star, link: {bandwidth: 100 Gb/s, latency: 1 us}}}\n", as: "net.yaml")
        let flows = try folder.write("start_s,source,destination,bytes\n" + rows, as: "flows.csv")
        let outcome = try Program.run("traffic", "--cluster", cluster, "--flows", flows)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(says), "\(outcome.errors)")
    }

    @Test(arguments: [
        ("hosts: 4\nhosts: 5\ntopology: {kind: star}\n", ":1:1: hosts: the key stands twice"),
        ("hosts: " + String(repeating: "[", count: 100_000), "nested too deep"),
    ])
    func clusterFilesThatAreNoYAMLAreRefused(text: String, says: String) throws {
        let folder = try Folder()
        let cluster = try folder.write(text, as: "net.yaml")
        let outcome = try Program.run("collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "4")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(says), "\(outcome.errors)")
    }

    @Test func wrongOperationNamesTheRightOnes() throws {
        let outcome = try Program.run("collective", "--cluster", "x", "--op", "allreduce", "--ranks", "4")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("did you mean all_reduce?"))
    }

    /// ASTRA-sim's network file is taken wherever a cluster file is: 8 NPUs on a switch of 50 GB/s and 1 us a link: 14 steps of 8 MB / 50 GB/s + 2 us.
    @Test func networkFileOfASTRAsim() throws {
        let folder = try Folder()
        let cluster = try folder.write(
            "topology: [ Switch ]\nnpus_count: [ 8 ]\nbandwidth: [ 50.0 ]\nlatency: [ 1000.0 ]\n", as: "switch.yml")
        let outcome = try Program.run(
            "collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "8", "--from", "64 MB", "--to", "64 MB", "--algorithm",
            "ring",
            "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        let time = try #require(rows.first?["microseconds"] as? Double)
        #expect(abs(time - 14 * (160 + 2)) < 1e-6)
        #expect(rows.first?["protocol"] as? String == "Simple")
        let flows = try folder.write("start_s,source,destination,bytes\n0,0,1,50000000\n", as: "flows.csv")
        let traffic = try Program.run("traffic", "--cluster", cluster, "--flows", flows, "--json", "--timeline", "4")
        let document = try object(traffic.output)
        #expect(abs((document["end_s"] as? Double ?? 0) - 1.002e-3) < 1e-12)
        #expect((document["over_time"] as? [String: Any])?["span_s"] != nil)
    }

    @Test func tensorParallelLayoutsAreCompared() throws {
        let claim = URL(fileURLWithPath: #filePath).appending(path: "../../../scenarios/claims/c18-tensor-parallel.yaml").standardized.path
        let outcome = try Program.run(
            "collective", "--cluster", claim, "--op", "tensor_parallel", "--ranks", "16", "--tokens", "65536", "--hidden", "8192", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        #expect(rows.compactMap { $0["layout"] as? String } == ["1d", "2d"])
        // (7 x 65536 + 12 x 8192) 3 x 3/16 over 8 x 15/16 x 65536
        #expect(abs((rows.last?["against_1d"] as? Double ?? 0) - 0.6375) < 1e-9)
    }

    @Test(arguments: [
        (["--algorithm", "rings"], "did you mean ring?"), (["--protocol", "LL12"], "did you mean LL128?"),
        (["--chunks", "0"], "chunks: 0 is outside"),
        (["--channels", "-1"], "channels: -1 is outside"), (["--from", "8G", "--to", "8"], "--from 8G is more than --to 8"),
        (["--from", "0"], "--from is 0; give a size above zero"), (["--algorithm", "nvls-tree"], "nvls-tree needs several nodes"),
    ])
    func badOptionsExitWith2(options: [String], says: String) throws {
        let folder = try Folder()
        let cluster = try folder.write("{hosts: 4, topology: {kind: star, link: {bandwidth: 100 Gb/s, latency: 1 us}}}\n", as: "net.yaml")
        let outcome = try Program.run(["collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "4"] + options)
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errors.contains(says), "\(outcome.errors)")
    }

    /// The keys of a scenario's cluster alone are a cluster file, for both commands; a scenario is one, too.
    @Test(arguments: ["cluster: {gpu: h100-sxm-80gb, gpus: 16}\n", "gpu: h100-sxm-80gb\nnodes: 2\n", ""])
    func clustersOfScenarios(text: String) throws {
        let folder = try Folder()
        let scenario = URL(fileURLWithPath: #filePath).appending(path: "../../../scenarios/straggler.yaml").standardized.path
        let cluster = text.isEmpty ? scenario : try folder.write(text, as: "cluster.yaml")
        let flows = try folder.write("start_s,source,destination,bytes\n0,0,8,50000000\n", as: "flows.csv")
        let traffic = try Program.run("traffic", "--cluster", cluster, "--flows", flows, "--json")
        #expect(traffic.status == 0, "\(traffic.errors)")
        // 50 MB through one 400 Gb/s port: 1 ms and the latency.
        let end = try object(traffic.output)["end_s"] as? Double ?? 0
        #expect(end > 1e-3 && end < 1.05e-3)
        let collective = try Program.run("collective", "--cluster", cluster, "--op", "all_gather", "--ranks", "16", "--to", "1M", "--json")
        #expect(collective.status == 0, "\(collective.errors)")
    }

    @Test func wrongClusterSectionIsSaid() throws {
        let folder = try Folder()
        let cluster = try folder.write("cluster: {gpu: h100-sxm-80g, gpus: 16}\n", as: "cluster.yaml")
        let outcome = try Program.run("collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "16")
        #expect(outcome.status == 2 && outcome.errors.contains("cluster.gpu") && outcome.errors.contains("h100-sxm-80gb"))
    }

    /// Pages with the picture and, where there are flows, the links over time.
    @Test func pagesAreWritten() throws {
        let folder = try Folder()
        let cluster = try folder.write(
            "{topology: {kind: torus, dims: [4, 4], link: {bandwidth: 100 Gb/s, latency: 1 us}}}\n", as: "net.yaml")
        let flows = try folder.write("start_s,source,destination,bytes\n0,0,5,30000000\n0,1,5,30000000\n", as: "flows.csv")
        let traffic = try Program.run("traffic", "--cluster", cluster, "--flows", flows, "--report", folder.path("traffic"))
        #expect(traffic.status == 0, "\(traffic.errors)")
        let page = try String(contentsOfFile: folder.path("traffic/report.html"), encoding: .utf8)
        #expect(page.contains("Topology by load") && page.contains("data-chart=\"links\"") && page.contains("host 1 to host 5"))
        // 32 cables of which 8 lead round the edge and are two stubs.
        #expect(page.components(separatedBy: "<line ").count - 1 == 40)
        let collective = try Program.run(
            "collective", "--cluster", cluster, "--op", "all_reduce", "--ranks", "16", "--to", "1M", "--report", folder.path("all"))
        #expect(collective.status == 0, "\(collective.errors)")
        #expect(try String(contentsOfFile: folder.path("all/report.html"), encoding: .utf8).contains("All sizes"))
        let blocked = try Program.run("traffic", "--cluster", cluster, "--flows", flows, "--report", flows)
        #expect(blocked.status == 2)
        let tensor = try Program.run(
            "collective", "--cluster", cluster, "--op", "tensor_parallel", "--ranks", "16", "--report", folder.path("t"))
        #expect(tensor.status == 2 && tensor.errors.contains("--report"))
    }
}
